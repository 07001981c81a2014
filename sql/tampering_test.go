package sql_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/database/dbtest"
)

// tampering is something that a superuser does to the log, past its guards.
type tampering struct {
	does string
	sql  []string
	// at is the only place that an auditor may name; 0 where the tree alone shows that something is wrong, and any place may
	// be the one.
	at int64
}

// reseal gives the amendments of an entity the hashes that follow from what they are now, oldest first.
const reseal = `
	create or replace function pg_temp.reseal(entity uuid) returns void language plpgsql as $$
	declare
	  a plant.amendments;
	  before bytea := decode(repeat('00', 32), 'hex');
	begin
	  for a in select * from plant.amendments where entity_id = entity order by version loop
	    a.previous_hash := before;
	    before := sha256(convert_to(plant.amendment_text(a), 'UTF8'));
	    update plant.amendments set previous_hash = a.previous_hash, hash = before
	    where entity_id = entity and entity_type = a.entity_type and version = a.version;
	  end loop;
	end $$`

// regrow has the sequencer make the tree and all places anew.
var regrow = []string{`truncate plant.tree_hashes`, `update plant.amendments set seq = null`}

// draw chooses what to do to a log of so many amendments.
func draw(random *rand.Rand, size int64) tampering {
	place := 1 + random.Int64N(size)
	other := 1 + random.Int64N(size-1)
	if other >= place {
		other++
	}
	low, high := min(place, other), max(place, other)
	// What is hashed, each changed in some way that it is not the same afterwards.
	columns := []string{
		`entity_type = case entity_type when 'team' then 'skill' else 'team' end`,
		`entity_id = gen_random_uuid()`,
		fmt.Sprintf(`version = version + %d`, 1000+random.IntN(1000)),
		`action = case action when 'restore' then 'update' else 'restore' end`,
		`actor_issuer = actor_issuer || '.'`,
		`actor_role = case actor_role when 'governor' then 'partner' else 'governor' end`,
		fmt.Sprintf(`actor = overlay(actor placing case substr(actor, %[1]d, 1) when '0' then '1' else '0' end from %[1]d)`, 1+random.IntN(64)),
		fmt.Sprintf(`change = overlay(change placing case substr(change, k, 1) when 'x' then 'y' else 'x' end from k) from (select 1 + (%d %% length(change)) as k from plant.amendments where seq = %d) w`, random.IntN(10_000), place),
		fmt.Sprintf(`at = at + interval '%d microseconds'`, 1+random.IntN(1_000_000)),
		fmt.Sprintf(`previous_hash = set_bit(previous_hash, %[1]d, 1 - get_bit(previous_hash, %[1]d))`, random.IntN(256)),
		fmt.Sprintf(`hash = set_bit(hash, %[1]d, 1 - get_bit(hash, %[1]d))`, random.IntN(256)),
		fmt.Sprintf(`seq = %d`, size+1+random.Int64N(1000)),
		`seq = null`,
	}
	change := columns[random.IntN(len(columns))]
	changeAt := fmt.Sprintf(`update plant.amendments set %s where seq = %d`, change, place)
	resealAt := fmt.Sprintf(`select pg_temp.reseal(entity_id) from plant.amendments where seq = %d`, place)
	rewrite := fmt.Sprintf(`update plant.amendments set %s where seq = %d`, []string{
		`actor_role = 'customer'`, `at = at - interval '1 day'`, `actor_issuer = 'https://other.example'`, `change = '{}'`,
		`change = '{"name":["was","is"]}'`, `actor = repeat('0', 64)`,
	}[random.IntN(6)], place)
	switch random.IntN(11) {
	case 0, 1, 2:
		return tampering{"change " + change, []string{changeAt}, place}
	case 3:
		return tampering{"delete one", []string{fmt.Sprintf(`delete from plant.amendments where seq = %d`, place)}, place}
	case 4:
		return tampering{"delete many", []string{fmt.Sprintf(`delete from plant.amendments where seq between %d and %d`, low, high)}, low}
	case 5:
		return tampering{"cut the tail, and the tree with it", []string{
			fmt.Sprintf(`delete from plant.amendments where seq >= %d`, place), fmt.Sprintf(`delete from plant.tree_hashes where (n + 1) << level >= %d`, place),
		}, place}
	case 6:
		return tampering{"truncate", [][]string{{`truncate plant.amendments`}, {`truncate plant.amendments, plant.tree_hashes`}}[random.IntN(2)], 1}
	case 7:
		return tampering{"swap places", []string{
			fmt.Sprintf(`update plant.amendments set seq = %d where seq = %d`, 2*size, low), fmt.Sprintf(`update plant.amendments set seq = %d where seq = %d`, low, high),
			fmt.Sprintf(`update plant.amendments set seq = %d where seq = %d`, high, 2*size),
		}, 0}
	case 8:
		return tampering{"put one between", []string{
			fmt.Sprintf(`update plant.amendments set seq = seq + %d where seq >= %d`, 2*size, place), fmt.Sprintf(`update plant.amendments set seq = seq - %d where seq > %d`, 2*size-1, size),
			fmt.Sprintf(`insert into plant.amendments (entity_type, entity_id, version, action, actor_issuer, actor_role, actor, change, at, previous_hash, hash, seq)
				select 'agent', gen_random_uuid(), 1, 'create', actor_issuer, actor_role, actor, '{"name":[null,"forged"]}', at, decode(repeat('00', 32), 'hex'), hash, %d
				from plant.amendments where seq = %d`, place, place+1),
			fmt.Sprintf(`select pg_temp.reseal(entity_id) from plant.amendments where seq = %d`, place),
		}, 0}
	case 9:
		return tampering{"rewrite with right hashes: " + rewrite, []string{rewrite, resealAt}, 0}
	}
	return tampering{"rewrite all, with the tree: " + rewrite, append([]string{rewrite, resealAt}, regrow...), 0}
}

// D1–D5: whatever a superuser does to the log, of a thousand things drawn at random, an auditor finds who has kept a
// checkpoint; and names the amendment, where it is one.
func TestTampering_AThousandTimes(t *testing.T) {
	t.Parallel()
	const (
		times = 1000
		seed  = 8
	)
	d := dbtest.New(t)
	fill(t, d, 16)
	conn := connect(t, d)
	auditor := newAuditor(t)
	auditor.holds(t, conn)
	whole := exported(t, conn)
	size := int64(len(whole))
	was, err := text(whole)
	if err != nil || size < 40 {
		t.Fatalf("%d amendments, %v", size, err)
	}
	exec(t, conn, reseal)
	random := rand.New(rand.NewPCG(seed, 0))
	kinds := map[string]int{}
	begin := time.Now()
	for range times {
		does := draw(random, size)
		kind, _, _ := strings.Cut(does.does, " =")
		kinds[kind]++
		err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			exec(t, tx, `set local session_replication_role = replica`)
			for _, sql := range does.sql {
				exec(t, tx, sql)
			}
			exec(t, tx, `set local session_replication_role = origin`)
			log := exported(t, tx)
			if now, err := text(log); err == nil && string(now) == string(was) {
				t.Fatalf("%s at %d changes nothing", does.does, does.at)
			}
			_, err := auditor.verify(log)
			if bad, ok := errors.AsType[*audit.Bad](err); !ok || does.at != 0 && bad.Seq != does.at {
				t.Errorf("%s at %d: got %v", does.does, does.at, err)
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			t.Fatal(err)
		}
	}
	t.Logf("%d amendments, %d tamperings in %v: %v", size, times, time.Since(begin), kinds)
	if report, err := auditor.verify(exported(t, conn)); err != nil || report.Signed != size {
		t.Errorf("in the end: %+v, %v", report, err)
	}
}

var errUndo = errors.New("undo")
