package main

import (
	"strings"
	"unicode/utf8"
)

// table is Markdown whose columns line up in a terminal too.
type table struct{ rows [][]string }

func newTable(header ...string) *table { return &table{[][]string{header}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String returns the table's lines.
func (t *table) String() string {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	line := func(cells []string, fill string) {
		for i, width := range widths {
			text.WriteString("| " + cells[i] + strings.Repeat(fill, width-utf8.RuneCountInString(cells[i])) + " ")
		}
		text.WriteString("|\n")
	}
	line(t.rows[0], " ")
	line(make([]string, len(widths)), "-")
	for _, row := range t.rows[1:] {
		line(row, " ")
	}
	return text.String()
}
