package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/functions"
)

// statement is one that a function has sent, as the server logged it.
type statement struct {
	sql  string
	args []string // as SQL literals, $1 first
}

// capture returns the statements that each of some calls makes a function send, so that pgbench runs just the same and not
// what somebody believes to be the same. The calls are given a function of their own, whose connections are logged from
// their beginning.
func (b *bench) capture(ctx context.Context, name string, calls ...call) (sent [][]statement, err error) {
	login, err := pgx.ParseConfig(b.stand.AppURL)
	if err != nil {
		return nil, errors.New("the application's address is malformed")
	}
	logged := func(what string) error {
		_, err := b.owner.Exec(ctx, `alter role `+pgx.Identifier{login.User}.Sanitize()+` set log_statement = '`+what+`'`)
		return err
	}
	if err := logged("all"); err != nil {
		return nil, fmt.Errorf("log statements: %w", err)
	}
	defer func() { err = errors.Join(err, logged("none")) }()
	f, err := b.stand.Start(ctx, name)
	if err != nil {
		return nil, err
	}
	defer functions.StopAll(f)
	log, err := os.Open(b.stand.Server.LogFile)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	if _, err := log.Seek(0, io.SeekEnd); err != nil {
		return nil, err
	}
	for _, c := range calls {
		if err := once(ctx, f, c); err != nil {
			return nil, err
		}
		text, err := io.ReadAll(log)
		if err != nil {
			return nil, err
		}
		if sent = append(sent, parseLog(string(text))); len(sent[len(sent)-1]) == 0 {
			return nil, fmt.Errorf("%s sent no statement", name)
		}
	}
	return sent, nil
}

var (
	logEntry  = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \S+ (LOG|DETAIL):  (.*)`)
	executed  = regexp.MustCompile(`(?s)^(?:execute [^:]+|statement): (.*)`)
	parameter = regexp.MustCompile(`(?s)\$(\d+) = (NULL|'(?:[^']|'')*')`)
)

// parseLog reads statements with their parameters from a server's log.
func parseLog(text string) []statement {
	var kinds, entries []string
	for line := range strings.SplitSeq(text, "\n") {
		if begin := logEntry.FindStringSubmatch(line); begin != nil {
			kinds, entries = append(kinds, begin[1]), append(entries, begin[2])
		} else if rest, continued := strings.CutPrefix(line, "\t"); continued && len(entries) > 0 {
			entries[len(entries)-1] += "\n" + rest
		}
	}
	var all []statement
	for i, entry := range entries {
		if kinds[i] == "DETAIL" {
			if len(all) > 0 && strings.HasPrefix(entry, "parameters: ") {
				for _, p := range parameter.FindAllStringSubmatch(entry, -1) {
					all[len(all)-1].args = append(all[len(all)-1].args, p[2])
				}
			}
			continue
		}
		if sql := executed.FindStringSubmatch(entry); sql != nil {
			all = append(all, statement{sql: sql[1]})
		}
	}
	return all
}

var (
	placeholder = regexp.MustCompile(`\$\d+`)
	lineComment = regexp.MustCompile(`--[^\n]*`)
)

// script writes statements for pgbench: on one line each, with every parameter as the literal that it was, or as replace
// makes it.
func script(all []statement, replace func(literal string) string) string {
	var text strings.Builder
	for _, s := range all {
		sql := placeholder.ReplaceAllStringFunc(s.sql, func(p string) string {
			n, err := strconv.Atoi(p[1:])
			if err != nil || n > len(s.args) {
				return p
			}
			return plain(replace(s.args[n-1]))
		})
		sql = strings.Join(strings.Fields(lineComment.ReplaceAllString(sql, " ")), " ")
		text.WriteString(sql + ";\n")
	}
	return text.String()
}

var likeVariable = regexp.MustCompile(`:([A-Za-z_])`)

// plain writes a string literal so that pgbench sees no variable of its own in it: "done":true, say.
func plain(literal string) string {
	if !strings.HasPrefix(literal, "'") || !likeVariable.MatchString(literal) {
		return literal
	}
	return "E" + likeVariable.ReplaceAllString(strings.ReplaceAll(literal, `\`, `\\`), `\x3a$1`)
}
