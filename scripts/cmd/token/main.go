// Command token prints an access token of the local issuer. See scripts/token.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/auth/localissuer"
	"github.com/waooaw/plant/shared/config"
)

type settings struct {
	Home string `env:"PLANT_HOME, default=.local"`
	Port int    `env:"PLANT_PORT, default=8080"`
}

func main() {
	var token string
	s, err := config.Load[settings](context.Background())
	if err == nil {
		token, err = mint(s, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(token)
}

func mint(s settings, args []string) (string, error) {
	flags := flag.NewFlagSet("scripts/token", flag.ContinueOnError)
	role := flags.String("role", "", "customer, partner or governor")
	subject := flags.String("sub", "", "who it is for; a partner owns what this name publishes")
	ttl := flags.Duration("ttl", time.Hour, "how long it is good for")
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	if flags.NArg() > 0 {
		return "", fmt.Errorf("what is %q? scripts/token --role partner --sub ada --ttl 1h", flags.Arg(0))
	}
	switch auth.Role(*role) {
	case auth.Customer, auth.Partner, auth.Governor:
	default:
		return "", errors.New("--role has to be customer, partner or governor")
	}
	if *subject == "" || *ttl <= 0 {
		return "", errors.New("--sub has to name someone, and --ttl has to be positive: scripts/token --role partner --sub ada --ttl 1h")
	}
	issuer, err := localissuer.Open(filepath.Join(s.Home, "issuer"))
	if err != nil {
		return "", err
	}
	return issuer.Mint(issuerURL(s), localissuer.Claims{Subject: *subject, Role: auth.Role(*role), TTL: *ttl})
}

// issuerURL is what scripts/dev last told of this home, or what it would tell.
func issuerURL(s settings) string {
	text, err := os.ReadFile(filepath.Join(s.Home, "issuer-url"))
	if err != nil {
		return "http://localhost:" + strconv.Itoa(s.Port)
	}
	return strings.TrimSpace(string(text))
}
