package database_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
)

type skill struct {
	ID      uuid.UUID `json:"id"`
	Name    string    `json:"name"`
	Version int64     `json:"version"`
}

const skillsByID = `select id, name, version from plant.skills where id = any ((select $1::uuid[])::uuid[])`

// crowd is a table of skills, and a session that can hold up whoever reads them.
type crowd struct {
	*dbtest.Database
	ids    []uuid.UUID
	reader *database.Coalescer[skill]
}

func newCrowd(t *testing.T, sql string) crowd {
	t.Helper()
	c := crowd{Database: dbtest.New(t)}
	c.ids = dbtest.Scalar[[]uuid.UUID](t, c.Database, `
		with s as (insert into plant.skills (id, name, category) select gen_random_uuid(), 'Skill ' || n, 'technical' from generate_series(1, 50) n returning id)
		select array_agg(id) from s`)
	c.reader = database.NewCoalescer[skill](c.DB, sql, "")
	return c
}

// hold locks the table until the function that it returns is called.
func (c crowd) hold(t *testing.T) (release func()) {
	t.Helper()
	owner, err := database.Open(t.Context(), database.Config{URL: config.Secret(c.OwnerURL), MaxConns: 1, AcquireTimeout: time.Minute, StatementTimeout: time.Minute, LockTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(owner.Close)
	held, end := make(chan error, 1), make(chan struct{})
	var holding sync.WaitGroup
	holding.Go(func() {
		err := owner.InTx(t.Context(), func(ctx context.Context, tx database.Tx) error {
			_, err := database.Exec(ctx, tx, `lock table plant.skills in access exclusive mode`)
			held <- err
			<-end
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		close(end)
		holding.Wait()
	})
	t.Cleanup(release)
	return release
}

// awaitBlocked returns when so many statements, or a few more, wait for the lock.
func (c crowd) awaitBlocked(t *testing.T, least, most int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		blocked := dbtest.Scalar[int](t, c.Database, `select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and state = 'active'`)
		if blocked >= least && blocked <= most {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d statements wait, want %d to %d", blocked, least, most)
		}
	}
}

// Many concurrent reads are few statements, and each gets its own row.
func TestCoalescer_FewStatements(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, skillsByID)
	release := c.hold(t)
	var reading sync.WaitGroup
	read := func(id uuid.UUID, want error) {
		reading.Go(func() {
			if got, err := c.reader.One(t.Context(), id); !errors.Is(err, want) || err == nil && got.ID != id {
				t.Errorf("%s: got %s, %v, want %v", id, got.ID, err, want)
			}
		})
	}
	for range 6 {
		for _, id := range c.ids {
			read(id, nil)
		}
		read(uuid.New(), database.ErrNotFound)
	}
	c.awaitBlocked(t, 2, 2) // and never more, though 306 reads wait, which is more than the two batches take
	release()
	reading.Wait()
}

// A reader that gives up leaves the others of its batch alone; the statement of a batch that all have given up is cancelled.
func TestC15_CoalescerGivesUp(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, skillsByID)
	release := c.hold(t)
	one := func(ctx context.Context) chan error {
		answered := make(chan error, 1)
		go func() {
			_, err := c.reader.One(ctx, c.ids[0])
			answered <- err
		}()
		return answered
	}
	impatient, leave := context.WithCancel(t.Context())
	first := one(impatient)
	c.awaitBlocked(t, 1, 1)
	second := one(impatient)
	c.awaitBlocked(t, 2, 2) // the batchers are both busy
	brief, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := <-one(brief); !errors.Is(err, database.ErrTimeout) { // of a batch that never began
		t.Errorf("got %v, want ErrTimeout", err)
	}
	patient := one(t.Context())
	leave()
	for _, answer := range []chan error{first, second} {
		if err := <-answer; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
	c.awaitBlocked(t, 1, 1) // both statements have ended; that of the patient one began
	release()
	if err := <-patient; err != nil {
		t.Errorf("the patient one: %v", err)
	}
}

// An id whose row cannot be read fails alone.
func TestCoalescer_OneBadRow(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, `select id, name, version / case when name = 'Skill 7' then 0 else 1 end as version from plant.skills where id = any ((select $1::uuid[])::uuid[])`)
	bad := dbtest.Scalar[uuid.UUID](t, c.Database, `select id from plant.skills where name = 'Skill 7'`)
	release := c.hold(t)
	var reading sync.WaitGroup
	for _, id := range c.ids {
		reading.Go(func() {
			got, err := c.reader.One(t.Context(), id)
			if id == bad && !errors.Is(err, database.ErrInvalid) || id != bad && (err != nil || got.ID != id) {
				t.Errorf("%s: got %v", id, err)
			}
		})
	}
	c.awaitBlocked(t, 1, 2)
	release()
	reading.Wait()
}

// Every read sees what was committed before it began, however many others read.
func TestCoalescer_ReadsAreOfNow(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, skillsByID)
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	for range 8 {
		reading.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.reader.One(ctx, c.ids[0]); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for version := int64(2); version < 100; version++ {
		c.Exec(t, `update plant.skills set version = $1 where id = $2`, version, c.ids[0])
		if got, err := c.reader.One(t.Context(), c.ids[0]); err != nil || got.Version != version {
			t.Fatalf("got version %d, %v, want %d", got.Version, err, version)
		}
	}
	stop()
	reading.Wait()
}

func TestCoalescer_Unavailable(t *testing.T) {
	t.Parallel()
	db, err := database.Open(t.Context(), database.Config{URL: "postgres://nobody@127.0.0.1:1/none", MaxConns: 2, AcquireTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	reader := database.NewCoalescer[skill](db, skillsByID, "")
	var reading sync.WaitGroup
	for range 10 {
		reading.Go(func() {
			if _, err := reader.One(t.Context(), uuid.New()); !errors.Is(err, database.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
		})
	}
	reading.Wait()
}
