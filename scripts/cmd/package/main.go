// Command package makes what is deployed. See scripts/package.
package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"text/tabwriter"

	"github.com/waooaw/plant/scripts/internal/packages"
	"github.com/waooaw/plant/shared/config"
)

const folder = ".dist"

type settings struct {
	Home string `env:"PLANT_HOME, default=.local"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	s, err := config.Load[settings](ctx)
	if err != nil {
		return err
	}
	// Not into scripts/dev's own programs, which may be running.
	manifest, err := packages.Build(ctx, ".", filepath.Join(s.Home, "package"), folder, os.Stdout)
	if err != nil {
		return err
	}
	return tell(os.Stdout, manifest)
}

// tell says what was made.
func tell(out io.Writer, manifest packages.Manifest) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(file, what string) { _, _ = fmt.Fprintf(table, "%s\t%s\n", filepath.Join(folder, file), what) } // Flush tells
	for _, name := range slices.Sorted(maps.Keys(manifest.Functions)) {
		f := manifest.Functions[name]
		row(f.Archive, fmt.Sprintf("%s, %.1f MB", f.EntryPoint, megabytes(f.Bytes)))
	}
	all := int64(0)
	for _, object := range manifest.StaticFiles {
		all += object.Bytes
	}
	row(packages.StaticFolder, fmt.Sprintf("%d files, %.1f MB", len(manifest.StaticFiles), megabytes(all)))
	row(packages.ManifestName, "names all of them, for Terraform")
	return table.Flush()
}

func megabytes(size int64) float64 { return float64(size) / 1e6 }
