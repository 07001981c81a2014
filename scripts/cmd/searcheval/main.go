// Command searcheval measures what search finds. See scripts/searcheval.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/scripts/internal/stand"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/indexing"
)

type settings struct {
	Home  string          `env:"PLANT_HOME, default=.local"`
	Index indexing.Config // so that any provider of vectors can be measured

	checkout, dir, queries string
	show                   int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "FAILED: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	s, err := config.Load[settings](ctx)
	if err != nil {
		return err
	}
	if err := s.parse(args); err != nil {
		return err
	}
	answers, err := evaluate(ctx, s, out)
	if err != nil {
		return err
	}
	_, _ = io.WriteString(out, "\n"+report(answers))
	return nil
}

// evaluate answers every query of the collection.
func evaluate(ctx context.Context, s settings, out io.Writer) ([]answer, error) {
	all, err := read(s.dir, s.queries)
	if err != nil {
		return nil, err
	}
	// Nothing here has to outlive the machine.
	plant, err := stand.Open(ctx, s.checkout, filepath.Join(s.Home, "searcheval"), out, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	if err != nil {
		return nil, err
	}
	defer plant.Close()
	e := &evaluation{settings: s, out: out, stand: plant}
	err = e.measure(ctx, all)
	return e.answers, err
}

// parse reads the arguments, of which the flags may stand on both sides of the folder.
func (s *settings) parse(args []string) error {
	flags := flag.NewFlagSet("scripts/searcheval DIR", flag.ContinueOnError)
	flags.StringVar(&s.queries, "queries", "", "the only file of queries to run; both of DIR if not given")
	flags.IntVar(&s.show, "show", 0, "how many queries of each stratum to show whose answers are worst")
	flags.StringVar(&s.checkout, "checkout", "", "where Plant is; the working directory if not given")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.dir = flags.Arg(0); flags.NArg() > 0 {
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return err
		}
	}
	if s.dir == "" || flags.NArg() > 0 {
		return errors.New("name the folder of the collection: scripts/searcheval DIR [--queries FILE]")
	}
	return nil
}

// evaluation is a run: what it needs, and what was answered so far.
type evaluation struct {
	settings
	out     io.Writer
	stand   *stand.Stand
	answers []answer
}

// roleToSkill is the stratum whose queries are the names of roles, and whose labels are what these require. For it skills
// are loaded without roles: their links would tell search, and what it learns from, the labels themselves.
const roleToSkill = "role_to_skill"

// measure loads the catalogues and runs their queries. O*NET's roles are a catalogue of their own.
func (e *evaluation) measure(ctx context.Context, all collection) error {
	var skillsAlone, main, onet []query
	for _, q := range all.queries {
		switch {
		case q.ofONET():
			onet = append(onet, q)
		case q.Stratum == roleToSkill:
			skillsAlone = append(skillsAlone, q)
		default:
			main = append(main, q)
		}
	}
	// Ids are given in the order of loading, and decide between equals: each kind is loaded one by one, in the order of its
	// file, so that every run finds the same.
	loading, loadingCtx := errgroup.WithContext(ctx)
	var simple map[string]simpleAnswer
	loading.Go(func() (err error) {
		simple, err = simpleAnswers(loadingCtx, e.stand, all)
		return err
	})
	var mainCatalogue, onetCatalogue *catalogue
	if len(onet) > 0 {
		loading.Go(func() (err error) {
			onetCatalogue, err = newCatalogue(loadingCtx, e, "searcheval_onet")
			if err != nil {
				return err
			}
			return onetCatalogue.load(loadingCtx, func(l *loader) error { return l.roles(loadingCtx, all.onet) })
		})
	}
	if len(main)+len(skillsAlone) > 0 {
		loading.Go(func() (err error) {
			mainCatalogue, err = newCatalogue(loadingCtx, e, "searcheval_main")
			if err != nil {
				return err
			}
			return mainCatalogue.load(loadingCtx, func(l *loader) error { return l.skills(loadingCtx, all.skills) })
		})
	}
	if err := loading.Wait(); err != nil {
		return err
	}
	if len(skillsAlone) > 0 {
		if err := e.answer(ctx, mainCatalogue, skillsAlone, simple); err != nil {
			return err
		}
	}
	if len(main) > 0 {
		err := mainCatalogue.load(ctx, func(l *loader) error {
			both, ctx := errgroup.WithContext(ctx)
			both.Go(func() error { return l.agents(ctx, all.agents) })
			both.Go(func() error { return l.roles(ctx, all.roles) })
			return both.Wait()
		})
		if err != nil {
			return err
		}
		if err := e.answer(ctx, mainCatalogue, main, simple); err != nil {
			return err
		}
	}
	if len(onet) > 0 {
		return e.answer(ctx, onetCatalogue, onet, simple)
	}
	return nil
}

// answer indexes a catalogue and runs queries.
func (e *evaluation) answer(ctx context.Context, c *catalogue, queries []query, simple map[string]simpleAnswer) error {
	if err := c.index(ctx); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	process.Say(e.out, "running %d queries", len(queries))
	answers, shown, err := c.answers(ctx, queries, e.show)
	if err != nil {
		return err
	}
	for i := range answers {
		answers[i].simple = simple[answers[i].query.ID]
	}
	e.answers = append(e.answers, answers...)
	if len(shown) > 0 {
		_, _ = io.WriteString(e.out, strings.Join(shown, ""))
	}
	return nil
}
