package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-envconfig"

	"github.com/waooaw/plant/shared/config"
)

type database struct {
	URL     config.Secret `env:"URL, required"`
	Timeout time.Duration `env:"TIMEOUT, default=5s"`
}

func TestLoadFrom(t *testing.T) {
	t.Parallel()
	got, err := config.LoadFrom[database](t.Context(), envconfig.MapLookuper(map[string]string{"URL": "postgres://secret"}))
	if err != nil {
		t.Fatal(err)
	}
	want := database{URL: "postgres://secret", Timeout: 5 * time.Second}
	if got.URL.Reveal() != want.URL.Reveal() || got.Timeout != want.Timeout {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLoad_NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	type needs struct {
		X string `env:"PLANT_TEST_NOT_SET, required"`
	}
	if _, err := config.Load[needs](t.Context()); err == nil || !strings.Contains(err.Error(), "PLANT_TEST_NOT_SET") {
		t.Errorf("got %v, want an error that names PLANT_TEST_NOT_SET", err)
	}
}

func TestSecret_IsNeverPrinted(t *testing.T) {
	t.Parallel()
	secret := config.Secret("hunter2")
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret)
	text, err := json.Marshal(map[string]any{"secret": secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprint(secret), fmt.Sprintf("%#v %+v %s %q", secret, secret, secret, secret), log.String(), string(text)} {
		if strings.Contains(got, "hunter2") {
			t.Errorf("%q shows the secret", got)
		}
	}
	if diff := cmp.Diff("hunter2", secret.Reveal()); diff != "" {
		t.Error(diff)
	}
}
