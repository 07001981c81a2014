package packages

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// framework is what the platform's own main imports, beside the function.
const framework = "github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

// platform is what the packages are chosen for, whatever machine this is and however its Go is set up.
var platform = []string{"GOWORK=off", "GOFLAGS=", "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1"}

// goPackage is what go list tells of a package.
type goPackage struct {
	ImportPath, Dir     string
	Standard            bool
	GoFiles, EmbedFiles []string
	Module              *struct {
		Path string
		Main bool
	}
}

// stageFunction vendors a function's module into a folder, and returns every file of its archive, by name: the module
// itself and the packages that the function is built of, without tests and without its own main. Licences come along.
func stageFunction(ctx context.Context, module, stage string) (map[string]string, error) {
	vendor := exec.CommandContext(ctx, "go", "mod", "vendor", "-o", filepath.Join(stage, "vendor"))
	vendor.Dir, vendor.Env = module, append(os.Environ(), platform...)
	if output, err := vendor.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("vendor: %w\n%s", err, output)
	}
	needed, err := dependencies(ctx, module)
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		"go.mod": filepath.Join(module, "go.mod"), "go.sum": filepath.Join(module, "go.sum"),
		"vendor/modules.txt": filepath.Join(stage, "vendor", "modules.txt"),
	}
	vendored := map[string]bool{}
	for _, p := range needed {
		switch {
		case p.Standard:
		case p.Module != nil && p.Module.Main:
			folder, err := filepath.Rel(module, p.Dir)
			if err != nil {
				return nil, err
			}
			for _, file := range slices.Concat(p.GoFiles, p.EmbedFiles) {
				files[filepath.ToSlash(filepath.Join(folder, file))] = filepath.Join(p.Dir, filepath.FromSlash(file))
			}
		default:
			vendored["vendor/"+p.ImportPath] = true
		}
	}
	if !vendored["vendor/"+framework] {
		return nil, fmt.Errorf("a file of the function has to import %s, with which the platform starts it", framework)
	}
	err = filepath.WalkDir(filepath.Join(stage, "vendor"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(stage, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		if belongs(name, vendored) {
			files[name] = path
		}
		return nil
	})
	return files, err
}

// belongs reports whether a vendored file is of a package that is needed, in its folder or embedded from below it, or is a
// licence of a module with such a package.
func belongs(name string, vendored map[string]bool) bool {
	folder, file := filepath.ToSlash(filepath.Dir(name)), filepath.Base(name)
	if strings.HasPrefix(file, "LICENSE") || strings.HasPrefix(file, "NOTICE") {
		for needed := range vendored {
			if needed == folder || strings.HasPrefix(needed, folder+"/") {
				return true
			}
		}
	}
	if vendored[folder] {
		return true
	}
	if strings.HasSuffix(file, ".go") {
		return false
	}
	for ; folder != "."; folder = filepath.ToSlash(filepath.Dir(folder)) {
		if vendored[folder] {
			return true
		}
	}
	return false
}

// dependencies lists the function's packages and all that they import.
func dependencies(ctx context.Context, module string) ([]goPackage, error) {
	list := exec.CommandContext(ctx, "go", "list", "-deps", "-json=ImportPath,Dir,Standard,GoFiles,EmbedFiles,Module", ".", framework)
	list.Dir, list.Env = module, append(os.Environ(), platform...)
	var complaint bytes.Buffer
	list.Stderr = &complaint
	output, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w\n%s", err, complaint.Bytes())
	}
	var all []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("list the packages: %w", err)
		}
		all = append(all, p)
	}
}

// packedAt is the time of every file in an archive: the first that the format knows.
var packedAt = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

// pack makes an archive whose bytes depend on nothing but names and contents.
func pack(files map[string]string) ([]byte, error) {
	var archive bytes.Buffer
	writer := zip.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content, err := os.ReadFile(files[name])
		if err != nil {
			return nil, err
		}
		header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: packedAt}
		header.SetMode(0o644)
		entry, err := writer.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := entry.Write(content); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}
