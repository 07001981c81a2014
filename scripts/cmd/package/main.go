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

	"github.com/waooaw/plant/scripts/internal/packages"
)

const folder = ".dist"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, ".", folder, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, checkout, folder string, out io.Writer) error {
	manifest, err := packages.Build(ctx, checkout, folder, out)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(manifest.Functions)) {
		_, _ = fmt.Fprintln(out, filepath.Join(folder, manifest.Functions[name].Archive)) // nobody reads what cannot be written
	}
	_, _ = fmt.Fprintf(out, "%s, with %d static files\n", filepath.Join(folder, packages.ManifestName), len(manifest.StaticFiles))
	return nil
}
