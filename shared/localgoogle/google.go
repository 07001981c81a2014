// Package localgoogle answers, on this machine, where Google would: Secret Manager, Cloud SQL with its Admin API, the
// metadata server that hands out tokens, Cloud Logging, Cloud Trace, and Vertex AI where a test says how. It is for tests
// and benches.
//
// Nothing of Plant knows of it. A process is pointed at it by the variables of Environment, which Google's clients and Go
// heed anywhere: its calls to *.googleapis.com come here through a proxy, under a certificate authority of its own, and its
// connections to private addresses through another. So what is tested is the code, the clients, the TLS and the credentials
// that run in the cloud.
package localgoogle

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
)

const headerTimeout = 10 * time.Second

// Project is the one that everything is in.
const Project = "plant-test"

// Google is all of it. It is safe for concurrent use.
type Google struct {
	Secrets Secrets
	Logs    Logs
	Traces  Traces
	// Vertex answers as Vertex AI, in whatever region. Set it before anybody asks.
	Vertex http.Handler

	authority *authority
	folder    string // of the authority's certificate, for the processes that are to trust it
	metadata  net.Listener
	proxy     net.Listener
	private   net.Listener // SOCKS 5, to the instances
	apis      net.Listener // TLS, whatever the host
	servers   []*http.Server
	grpc      *grpc.Server

	mu        sync.Mutex
	instances map[string]*Instance // by PROJECT:NAME
	tokens    int
}

// Account is the service account that the metadata server hands out tokens of; IAM logins are without what follows .iam.
const Account = "functions@plant-test.iam.gserviceaccount.com"

// Login is Account's login to a database.
const Login = "functions@plant-test.iam"

// Start listens on free ports of this machine until Close.
func Start() (*Google, error) {
	g := &Google{instances: map[string]*Instance{}}
	g.Secrets.versions = map[string][]string{}
	if err := g.start(); err != nil {
		g.Close()
		return nil, fmt.Errorf("start localgoogle: %w", err)
	}
	return g, nil
}

// Run starts a Google, points this process at it and runs a package's tests, which find it in google. TestMain exits with
// what it returns.
func Run(tests func() (status int), google **Google) (status int) {
	g, err := Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer g.Close()
	for _, variable := range g.Environment() {
		name, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	*google = g
	return tests()
}

func (g *Google) start() (err error) {
	if g.authority, err = newAuthority("localgoogle"); err != nil {
		return err
	}
	if g.folder, err = os.MkdirTemp("", "plant-localgoogle-"); err != nil {
		return err
	}
	if err := os.WriteFile(g.authorityFile(), g.authority.pem(), 0o600); err != nil {
		return err
	}
	certificate, err := g.authority.server("googleapis", "*.googleapis.com")
	if err != nil {
		return err
	}
	for _, listener := range []*net.Listener{&g.metadata, &g.proxy, &g.private, &g.apis} {
		var config net.ListenConfig
		if *listener, err = config.Listen(context.Background(), "tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	g.grpc = grpc.NewServer()
	g.Secrets.register(g.grpc)
	g.Logs.register(g.grpc)
	g.serve(g.metadata, http.HandlerFunc(g.answerMetadata))
	g.serve(g.proxy, http.HandlerFunc(g.connect))
	g.serve(tls.NewListener(g.apis, &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}), http.HandlerFunc(g.answerAPI))
	go g.servePrivate()
	return nil
}

func (g *Google) serve(listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	g.servers = append(g.servers, server)
	go func() { _ = server.Serve(listener) }() // until Close
}

// Close ends all of it, the instances too.
func (g *Google) Close() {
	for _, server := range g.servers {
		_ = server.Close()
	}
	if g.private != nil {
		_ = g.private.Close()
	}
	g.mu.Lock()
	for _, instance := range g.instances {
		_ = instance.listener.Close()
	}
	g.mu.Unlock()
	if g.grpc != nil {
		g.grpc.Stop()
	}
	_ = os.RemoveAll(g.folder)
}

func (g *Google) authorityFile() string { return filepath.Join(g.folder, "authority.pem") }

// Environment is what a process is told, so that its calls to Google come here: variables of Go and of Google's libraries.
// It has to be there when the process starts.
func (g *Google) Environment() []string {
	return []string{
		"GCE_METADATA_HOST=" + g.metadata.Addr().String(),
		"HTTPS_PROXY=http://" + g.proxy.Addr().String(),
		"ALL_PROXY=socks5://" + g.private.Addr().String(),
		"NO_PROXY=localhost,127.0.0.1",
		"SSL_CERT_FILE=" + g.authorityFile(), "SSL_CERT_DIR=" + g.folder,
	}
}

// connect is the proxy: whatever host is asked for, it is us. Nothing leaves this machine.
func (g *Google) connect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || !strings.HasSuffix(r.Host, ".googleapis.com:443") {
		http.Error(w, "localgoogle is no proxy to anything else: "+r.Host, http.StatusForbidden)
		return
	}
	var dialer net.Dialer
	there, err := dialer.DialContext(r.Context(), "tcp", g.apis.Addr().String())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_, err = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	}
	if err != nil {
		_ = there.Close()
		return
	}
	splice(here, buffered.Reader, there)
}

// splice copies both ways until either side ends.
func splice(here net.Conn, fromHere io.Reader, there net.Conn) {
	go func() {
		_, _ = io.Copy(there, fromHere) // either side may go at any time
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
	_ = here.Close()
}

// answerAPI is every API, by its host. All of them want a token of the metadata server's.
func (g *Google) answerAPI(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "+tokenPrefix) {
		http.Error(w, `{"error":{"code":401,"message":"no token of ours"}}`, http.StatusUnauthorized)
		return
	}
	if g.Vertex != nil && strings.HasSuffix(r.Host, "-aiplatform.googleapis.com") {
		g.Vertex.ServeHTTP(w, r)
		return
	}
	switch strings.TrimSuffix(r.Host, ":443") {
	case "secretmanager.googleapis.com", "logging.googleapis.com":
		g.grpc.ServeHTTP(w, r)
	case "sqladmin.googleapis.com":
		g.answerAdmin(w, r)
	case "telemetry.googleapis.com":
		g.Traces.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

// tokenPrefix begins every token that is handed out here. What follows is its number and scope.
const tokenPrefix = "local-token-"

const tokenLife = time.Hour

// answerMetadata is the metadata server, as far as credentials ask it.
func (g *Google) answerMetadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Metadata-Flavor", "Google")
	switch path := strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/"); path {
	case "project/project-id":
		_, _ = io.WriteString(w, Project)
	case "universe/universe-domain":
		_, _ = io.WriteString(w, "googleapis.com")
	case "instance/service-accounts/default/email":
		_, _ = io.WriteString(w, Account)
	case "instance/service-accounts/default/token":
		g.mu.Lock()
		g.tokens++
		token := fmt.Sprintf("%s%d %s", tokenPrefix, g.tokens, r.URL.Query().Get("scopes"))
		g.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": strings.ReplaceAll(token, " ", "."), "expires_in": int(tokenLife.Seconds()), "token_type": "Bearer",
		})
	default:
		http.NotFound(w, r)
	}
}

// servePrivate is a SOCKS 5 proxy (RFC 1928) to the instances' private addresses, and to nothing else.
func (g *Google) servePrivate() {
	for {
		conn, err := g.private.Accept()
		if err != nil {
			return // Close
		}
		go func() {
			if err := g.forwardPrivate(conn); err != nil {
				_ = conn.Close()
			}
		}()
	}
}

func (g *Google) forwardPrivate(conn net.Conn) error {
	reader := bufio.NewReader(conn)
	greeting := make([]byte, 2)
	if _, err := io.ReadFull(reader, greeting); err != nil {
		return err
	}
	if _, err := reader.Discard(int(greeting[1])); err != nil {
		return err
	}
	if _, err := conn.Write([]byte{5, 0}); err != nil { // version 5, no authentication
		return err
	}
	request := make([]byte, 10) // version, connect, 0, IPv4, the address, the port
	if _, err := io.ReadFull(reader, request); err != nil {
		return err
	}
	address := net.IP(request[4:8]).String()
	server := g.at(address)
	if request[3] != 1 || server == nil {
		_, _ = conn.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0}) // host unreachable
		return errors.New("no instance at " + address)
	}
	var dialer net.Dialer
	there, err := dialer.DialContext(context.Background(), "tcp", server.String())
	if err != nil {
		return err
	}
	if _, err := conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0}); err != nil {
		return err
	}
	splice(conn, reader, there)
	return nil
}

// at returns where a private address leads to, or nil.
func (g *Google) at(address string) net.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, instance := range g.instances {
		if instance.address == address {
			return instance.reached
		}
	}
	return nil
}
