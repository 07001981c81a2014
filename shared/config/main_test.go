package config

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/waooaw/plant/shared/localgoogle"
)

// google is where the process's credentials and calls to Google go to.
var google *localgoogle.Google

func TestMain(m *testing.M) {
	var err error
	if google, err = localgoogle.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, variable := range google.Environment() {
		name, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	status := m.Run()
	google.Close()
	os.Exit(status)
}
