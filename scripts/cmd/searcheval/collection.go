package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// collection is texts and queries, as a folder has them.
type collection struct {
	skills, roles, agents, onet []record
	queries                     []query
}

// record is a skill, a role or an agent.
type record struct {
	ID               string   `json:"id"`
	Name             string   `json:"name"`
	Description      string   `json:"description"`
	Specialization   string   `json:"specialization"`     // of agents
	Tags             []string `json:"tags"`               // of agents
	RequiredSkillIDs []string `json:"required_skill_ids"` // of roles
}

// query is what is looked for, and what answers it.
type query struct {
	ID       string   `json:"qid"`
	Text     string   `json:"query"`
	Kind     string   `json:"kind"`
	Stratum  string   `json:"stratum"`
	Relevant []string `json:"relevant_ids"`
}

// The kinds of records that queries look for.
const (
	skillKind = "skill"
	roleKind  = "role"
	agentKind = "agent"
)

const onetPrefix = "onet:"

// ofONET reports whether a query looks for O*NET's roles, which are a corpus of their own.
func (q query) ofONET() bool { return strings.HasPrefix(q.Relevant[0], onetPrefix) }

// group is the stratum as it is reported.
func (q query) group() string {
	if q.ofONET() {
		return "onet / " + q.Stratum
	}
	return q.Kind + " / " + q.Stratum
}

// of returns the records that a query is looked for among.
func (c collection) of(q query) []record {
	switch {
	case q.ofONET():
		return c.onet
	case q.Kind == skillKind:
		return c.skills
	case q.Kind == roleKind:
		return c.roles
	}
	return c.agents
}

// The limits of Plant's contract, in characters.
const (
	maxName           = 255
	maxSpecialization = 100
	maxTag            = 50
	maxTags           = 50
	maxDescription    = 8000
	maxRequired       = 100
	maxQuery          = 512
)

// read reads a folder's collection with its own queries, or those of a file.
func read(dir, file string) (collection, error) {
	var c collection
	for name, into := range map[string]*[]record{"skills": &c.skills, "roles": &c.roles, "agents": &c.agents, "roles_onet": &c.onet} {
		records, err := readLines[record](filepath.Join(dir, "corpus_"+name+".jsonl.gz"))
		if err != nil {
			return c, err
		}
		for i := range records {
			records[i].clean()
		}
		*into = records
	}
	files := []string{file}
	if file == "" {
		files = []string{filepath.Join(dir, "queries_dev.jsonl"), filepath.Join(dir, "queries_onet_dev.jsonl")}
	}
	for _, name := range files {
		queries, err := readLines[query](name)
		if err != nil {
			return c, err
		}
		c.queries = append(c.queries, queries...)
	}
	if len(c.queries) == 0 {
		return c, fmt.Errorf("no queries in %s", strings.Join(files, " or "))
	}
	return c, c.check()
}

// check cleans the queries, and sees that what answers them is there.
func (c collection) check() error {
	known := map[string]bool{}
	for _, records := range [][]record{c.skills, c.roles, c.agents, c.onet} {
		for _, r := range records {
			if r.ID == "" || r.Name == "" || known[r.ID] {
				return fmt.Errorf("record %q, named %q: each needs a name, and an id of its own", r.ID, r.Name)
			}
			known[r.ID] = true
		}
	}
	for i, q := range c.queries {
		c.queries[i].Text = line(q.Text, maxQuery)
		if q.ID == "" || c.queries[i].Text == "" || len(q.Relevant) == 0 {
			return fmt.Errorf("query %q: each needs a qid, a query and relevant_ids", q.ID)
		}
		if q.Kind != skillKind && q.Kind != roleKind && q.Kind != agentKind {
			return fmt.Errorf("query %s: its kind is %q, which is none of %s, %s and %s", q.ID, q.Kind, skillKind, roleKind, agentKind)
		}
		for _, id := range q.Relevant {
			if !known[id] {
				return fmt.Errorf("query %s is answered by %s, which is in no corpus", q.ID, id)
			}
		}
	}
	return nil
}

// readLines reads JSON values of a file, one a line, gzipped if it is named so; of a file that is not there, none.
func readLines[T any](name string) (values []T, err error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var from io.Reader = bufio.NewReader(file)
	if strings.HasSuffix(name, ".gz") {
		if from, err = gzip.NewReader(from); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	decoder := json.NewDecoder(from)
	for {
		var value T
		switch err := decoder.Decode(&value); {
		case errors.Is(err, io.EOF):
			return values, nil
		case err != nil:
			return nil, fmt.Errorf("%s, value %d: %w", name, len(values)+1, err)
		}
		values = append(values, value)
	}
}

// clean brings a record's texts into what the contract takes.
func (r *record) clean() {
	r.Name = line(r.Name, maxName)
	r.Description = cut(plain(r.Description), maxDescription)
	r.Specialization = line(r.Specialization, maxSpecialization)
	var tags []string
	for _, tag := range r.Tags {
		if tag = line(tag, maxTag); tag != "" && len(tags) < maxTags {
			tags = append(tags, tag)
		}
	}
	r.Tags = tags
}

// rest is what a record says beside its name.
func (r record) rest() string {
	return strings.Join(append([]string{r.Specialization, r.Description}, r.Tags...), " ")
}

// plain is a text in NFC without control characters, C1's among them.
func plain(text string) string {
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text))
}

// line is a text as one line.
func line(text string, most int) string {
	return strings.TrimSpace(cut(strings.Join(strings.Fields(plain(text)), " "), most))
}

func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}
