package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRewriteList(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"plain":                 {"deb http://mirror/debian bookworm main\n", "deb-src http://mirror/debian trixie main\n"},
		"with options":          {"deb [arch=amd64 signed-by=/k.gpg] http://mirror/debian bookworm main contrib\n", "deb-src [arch=amd64 signed-by=/k.gpg] http://mirror/debian trixie main contrib\n"},
		"no line end":           {"deb http://mirror/debian bookworm main", "deb-src http://mirror/debian trixie main\n"},
		"updates, security":     {"deb http://mirror/debian bookworm-updates main\ndeb http://mirror/security bookworm-security main\n", ""},
		"sources":               {"deb-src http://mirror/debian bookworm main\n", ""},
		"comment":               {"# deb http://mirror/debian bookworm main\n", ""},
		"somebody else's":       {"deb https://elsewhere/linux/debian bookworm stable\n", ""},
		"suite only in the URI": {"deb http://mirror/bookworm other main\n", ""},
		"cut short":             {"deb http://mirror\n", ""},
		"as the installer writes it": {
			"#deb cdrom:[Debian GNU/Linux 12]/ bookworm main non-free-firmware\n\ndeb http://mirror.example.org/debian/ bookworm main non-free-firmware\ndeb-src http://mirror.example.org/debian/ bookworm main non-free-firmware\n" +
				"\ndeb http://security.example.org/debian-security bookworm-security main non-free-firmware\n# bookworm-updates, to get updates\ndeb http://mirror.example.org/debian/ bookworm-updates main non-free-firmware\n",
			"deb-src http://mirror.example.org/debian/ trixie main non-free-firmware\n",
		},
		"tabs, and an options' list with spaces": {
			"deb\t[ arch=amd64,arm64  trusted=no ]\thttps://mirror.example.org/debian\tbookworm\tcontrib\tmain\n", "deb-src [ arch=amd64,arm64 trusted=no ] https://mirror.example.org/debian trixie contrib main\n",
		},
		"two mirrors":      {"deb http://a.example.org/debian bookworm main\ndeb http://b.example.org/debian bookworm main\n", "deb-src http://a.example.org/debian trixie main\ndeb-src http://b.example.org/debian trixie main\n"},
		"carriage returns": {"deb http://mirror.example.org/debian bookworm main\r\n", "deb-src http://mirror.example.org/debian trixie main\n"},
		"no component":     {"deb http://mirror.example.org/debian bookworm/\n", ""},
		"nothing":          {"", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, rewriteList(test.text, "bookworm", "trixie")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRewriteStanzas(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"Debian's own": {
			`Types: deb
# http://snapshot/debian/20250520T000000Z
URIs: http://mirror/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror/security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`, `Types: deb-src
URIs: http://mirror/debian
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`,
		},
		"both types, keys of any case, carriage returns, no line end": {
			"types: deb deb-src\r\nURIs: http://mirror/debian\r\nsuites: bookworm\r\nComponents: main contrib",
			"Types: deb-src\nURIs: http://mirror/debian\nSuites: trixie\nComponents: main contrib\n",
		},
		"values that go on, and a key within": {
			"Types: deb\nURIs: http://mirror/debian\nSuites:\n bookworm\n bookworm-updates\nComponents: main\nSigned-By:\n -----BEGIN-----\n .\n mDM:EY\n -----END-----\n",
			"Types: deb-src\nURIs: http://mirror/debian\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN-----\n .\n mDM:EY\n -----END-----\n",
		},
		"two of ours, among blank lines and comments": {
			"# ours\n\n\nTypes: deb\nURIs: http://a\nSuites: bookworm\nComponents: main\n \t\n\nTypes: deb\nURIs: http://b\nSuites: bookworm\nComponents: main\n\n",
			"Types: deb-src\nURIs: http://a\nSuites: trixie\nComponents: main\n\nTypes: deb-src\nURIs: http://b\nSuites: trixie\nComponents: main\n",
		},
		"somebody else's": {"Types: deb\nURIs: https://elsewhere\nSuites: bookworm\nComponents: stable\n", ""},
		"nothing":         {"", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, rewriteStanzas(test.text, "bookworm", "trixie")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWriteSources(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	others := file("others.list", "deb https://elsewhere bookworm stable\n")
	oneLine := file("sources.list", "deb http://mirror/debian bookworm main\n")
	stanza := file("debian.sources", "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm\nComponents: main\n")
	missing := filepath.Join(dir, "missing.list")

	target := filepath.Join(dir, "target")
	if err := writeSources([]string{missing, others, oneLine, stanza}, target, "bookworm", "trixie"); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	entries, err := os.ReadDir(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(target, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[entry.Name()] = string(text)
	}
	want := map[string]string{
		"2.list":    "deb-src http://mirror/debian trixie main\n",
		"3.sources": "Types: deb-src\nURIs: http://mirror/debian\nSuites: trixie\nComponents: main\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := writeSources([]string{missing, others}, filepath.Join(dir, "none"), "bookworm", "trixie"); !errors.Is(err, errNoSource) {
		t.Errorf("without a source of our own: %v, want %v", err, errNoSource)
	}
}

func TestCodename(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text, want string
		fails      bool
	}{
		"Debian":  {text: "ID=debian\nVERSION_CODENAME=bookworm\n", want: "bookworm"},
		"quoted":  {text: `VERSION_CODENAME="noble"`, want: "noble"},
		"no name": {text: "ID=alpine\n", fails: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "os-release")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := codename(file)
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}
