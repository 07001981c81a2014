package localgoogle

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const region = "asia-south1"

// Instance is a Cloud SQL instance: the proxy in front of a PostgreSQL of this machine, and what the Admin API says of it.
// It is safe for concurrent use.
type Instance struct {
	Name string // PROJECT:REGION:NAME, as it is connected to

	address   string // its private one
	database  *pgconn.Config
	authority *authority
	listener  net.Listener
	reached   net.Addr // where its address leads to; guarded by Google's mutex

	mu          sync.Mutex
	life        time.Duration
	calls       Calls
	failure     func(ctx context.Context) int
	connections int
}

// Calls are how often the Admin API was asked about an instance.
type Calls struct {
	Settings, Certificates int
	LoginTokens            int // certificates that were asked for with an IAM login's token
}

// AddInstance puts an instance in front of the database of a URL. Whoever logs in by password does so as always; an IAM
// login becomes the URL's. Impostor names the instance that its certificate says it is, where that is another.
func (g *Google) AddInstance(databaseURL, impostor string) (*Instance, error) {
	config, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("add an instance: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	number := len(g.instances) + 1
	name := fmt.Sprintf("sql-%d", number)
	i := &Instance{
		Name: Project + ":" + region + ":" + name, address: fmt.Sprintf("10.0.%d.%d", number/200, 1+number%200), database: config, life: time.Hour,
	}
	if i.authority, err = newAuthority("Cloud SQL " + name); err != nil {
		return nil, err
	}
	subject := Project + ":" + name
	if impostor != "" {
		subject = impostor
	}
	certificate, err := i.authority.server(subject)
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	clients.AddCert(i.authority.certificate)
	var listening net.ListenConfig
	plain, err := listening.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i.listener = tls.NewListener(plain, &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
	})
	i.reached = i.listener.Addr()
	g.instances[subjectOf(i.Name)] = i
	go i.accept()
	return i, nil
}

// subjectOf returns PROJECT:NAME of PROJECT:REGION:NAME.
func subjectOf(name string) string {
	parts := strings.Split(name, ":")
	return parts[0] + ":" + parts[len(parts)-1]
}

// Calls returns how often the Admin API was asked so far.
func (i *Instance) Calls() Calls {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.calls
}

// Connections returns how many connections came through so far.
func (i *Instance) Connections() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.connections
}

// Redirect lets whoever connects to an instance's address reach another's server, as one who has taken it over would.
func (g *Google) Redirect(from, to *Instance) {
	g.mu.Lock()
	defer g.mu.Unlock()
	from.reached = to.listener.Addr()
}

// SetLife sets how long certificates are good for that are asked for from now on.
func (i *Instance) SetLife(life time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.life = life
}

// Fail lets the Admin API answer with the status that failure returns, where it is not 0; nil ends that.
func (i *Instance) Fail(failure func(ctx context.Context) (status int)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.failure = failure
}

// answerAdmin is the Admin API, as far as connectors ask it:
// /sql/v1beta4/projects/PROJECT/instances/NAME/connectSettings and …/NAME:generateEphemeralCert.
func (g *Google) answerAdmin(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/sql/v1beta4/projects/"), "/")
	if len(parts) < 3 {
		http.NotFound(w, r)
		return
	}
	name, verb, _ := strings.Cut(parts[2], ":")
	g.mu.Lock()
	instance := g.instances[parts[0]+":"+name]
	g.mu.Unlock()
	if instance == nil {
		refuse(w, http.StatusNotFound, "The Cloud SQL instance does not exist.")
		return
	}
	instance.mu.Lock()
	failure := instance.failure
	instance.mu.Unlock()
	if failure != nil {
		if status := failure(r.Context()); status != 0 {
			refuse(w, status, http.StatusText(status))
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodGet && len(parts) == 4 && parts[3] == "connectSettings":
		instance.answerSettings(w)
	case r.Method == http.MethodPost && verb == "generateEphemeralCert":
		instance.answerCertificate(w, r)
	default:
		http.NotFound(w, r)
	}
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": status, "message": message}})
}

func (i *Instance) answerSettings(w http.ResponseWriter) {
	i.mu.Lock()
	i.calls.Settings++
	i.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "sql#connectSettings", "backendType": "SECOND_GEN", "databaseVersion": "POSTGRES_17", "region": region,
		"ipAddresses":  []any{map[string]any{"type": "PRIVATE", "ipAddress": i.address}},
		"serverCaCert": map[string]any{"cert": string(i.authority.pem())},
	})
}

// noLogin is the subject of certificates without an IAM login. Those with one have the login's name.
const noLogin = "no login"

func (i *Instance) answerCertificate(w http.ResponseWriter, r *http.Request) {
	var in struct {
		PublicKey   string `json:"public_key"`
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	block, _ := pem.Decode([]byte(in.PublicKey))
	if block == nil {
		refuse(w, http.StatusBadRequest, "no public key")
		return
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	i.mu.Lock()
	i.calls.Certificates++
	life, subject := i.life, noLogin
	if in.AccessToken != "" {
		if !strings.HasPrefix(in.AccessToken, tokenPrefix) || !strings.HasSuffix(in.AccessToken, "/auth/sqlservice.login") {
			i.mu.Unlock()
			refuse(w, http.StatusForbidden, "not a token for logging in")
			return
		}
		i.calls.LoginTokens++
		subject = Login
	}
	i.mu.Unlock()
	certificate, err := i.authority.client(subject, key, life)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ephemeralCert": map[string]any{"cert": string(certificate)}})
}

func (i *Instance) accept() {
	for {
		conn, err := i.listener.Accept()
		if err != nil {
			return // Close
		}
		go func() {
			defer func() { _ = conn.Close() }()
			_ = i.forward(conn.(*tls.Conn)) // whoever called sees a connection that ends
		}()
	}
}

const handshakeTimeout = 10 * time.Second

// forward copies between a caller with a certificate and the database.
func (i *Instance) forward(conn *tls.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	i.mu.Lock()
	i.connections++
	i.mu.Unlock()
	if login := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; login != noLogin {
		return i.logIn(ctx, conn, login)
	}
	network, address := pgconn.NetworkAddress(i.database.Host, i.database.Port)
	var dialer net.Dialer
	there, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	splice(conn, conn, there)
	return nil
}

// logIn lets someone in whom IAM knows: the token is the password, so the database is not asked for one. The session is
// that of the database's own URL.
func (i *Instance) logIn(ctx context.Context, conn *tls.Conn, login string) error {
	backend := pgproto3.NewBackend(conn, conn)
	message, err := backend.ReceiveStartupMessage()
	if err != nil {
		return err
	}
	start, isStart := message.(*pgproto3.StartupMessage)
	if !isStart {
		return fmt.Errorf("begins with %T", message)
	}
	if start.Parameters["user"] != login {
		backend.Send(&pgproto3.ErrorResponse{
			Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "28000", Message: "Cloud SQL IAM service account authentication failed",
		})
		return backend.Flush()
	}
	config := i.database.Copy()
	config.Database = start.Parameters["database"]
	for name, value := range start.Parameters {
		if name != "user" && name != "database" {
			config.RuntimeParams[name] = value
		}
	}
	session, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	there, err := session.Hijack()
	if err != nil {
		return err
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	for name, value := range there.ParameterStatuses {
		backend.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
	}
	backend.Send(&pgproto3.BackendKeyData{ProcessID: there.PID, SecretKey: there.SecretKey})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: there.TxStatus})
	defer func() { _ = there.Conn.Close() }()
	if err := backend.Flush(); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(there.Conn, conn) // either side may go at any time
		_ = there.Conn.Close()
	}()
	// Not copied as bytes: where its writes were slow, the driver reads ahead in the background, even when hijacked.
	for {
		message, err := there.Frontend.Receive()
		if err != nil {
			return err
		}
		backend.Send(message)
		if there.Frontend.ReadBufferLen() == 0 {
			if err := backend.Flush(); err != nil {
				return err
			}
		}
	}
}
