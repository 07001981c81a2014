package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/tools/cover"
)

// statements counts those of a module, and those that some test has run.
type statements struct{ all, covered int }

// block is a piece of a file that runs as one.
type block struct {
	file                                 string
	startLine, startCol, endLine, endCol int
}

// checkCoverage prints each module's coverage over all runs together, and fails below the minimum.
func (c *checks) checkCoverage(dir string, modules []module) error {
	profiles, err := filepath.Glob(filepath.Join(dir, "*.out"))
	if err != nil {
		return err
	}
	counts := map[block]bool{}
	sizes := map[block]int{}
	for _, profile := range profiles {
		files, err := cover.ParseProfiles(profile)
		if err != nil {
			return fmt.Errorf("read coverage: %w", err)
		}
		for _, file := range files {
			for _, b := range file.Blocks {
				at := block{file.FileName, b.StartLine, b.StartCol, b.EndLine, b.EndCol}
				sizes[at] = b.NumStmt
				counts[at] = counts[at] || b.Count > 0
			}
		}
	}
	totals := map[string]statements{}
	for at, size := range sizes {
		name := moduleOf(at.file, modules)
		total := totals[name]
		total.all += size
		if counts[at] {
			total.covered += size
		}
		totals[name] = total
	}
	fmt.Println("\n== coverage")
	var low []string
	for _, m := range modules {
		total := totals[m.name]
		percent := 100 * float64(total.covered) / float64(max(1, total.all))
		fmt.Printf("%5.1f %% of %5d statements  %s\n", percent, total.all, m.name)
		if percent < minCoverage {
			low = append(low, m.name)
		}
	}
	if len(low) > 0 {
		return fmt.Errorf("coverage below %d %%: %s", minCoverage, strings.Join(low, ", "))
	}
	return nil
}

// moduleOf returns the module that a file belongs to: the one with the longest path that fits.
func moduleOf(file string, modules []module) string {
	owner, length := "", 0
	for _, m := range modules {
		if strings.HasPrefix(file, m.path()+"/") && len(m.path()) > length {
			owner, length = m.name, len(m.path())
		}
	}
	return owner
}
