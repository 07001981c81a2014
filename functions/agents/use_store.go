package agents

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// maxUsersNamed bounds the ids that an answer names of those that use a resource.
const maxUsersNamed = 10

// users of a resource are those of one kind that refer to it.
type users struct {
	Kind  string // such as agent
	Total int64
	IDs   []uuid.UUID // the first of them
}

// stillUsed tells what stands in the way of deleting a row: refusal is nil where nothing does. The row is locked first,
// and a second statement looks, since a statement sees only what was committed when it began: who refers to the row has
// locked it too, and was waited for. Both statements have the same arguments.
func stillUsed(ctx context.Context, tx database.Tx, what, lock, look string, args ...any) (refusal, err error) {
	if _, err := database.Exec(ctx, tx, lock, args...); err != nil {
		return nil, err
	}
	all, err := database.All[users](ctx, tx, look, args...)
	if err != nil {
		return nil, err
	}
	var counts []string
	var faults []*httpapi.Fault
	for _, one := range all {
		if one.Total == 0 {
			continue
		}
		plural := "s"
		if one.Total == 1 {
			plural = ""
		}
		counts = append(counts, fmt.Sprintf("%d %s%s", one.Total, one.Kind, plural))
		for _, id := range one.IDs {
			if len(faults) < maxUsersNamed {
				faults = append(faults, &httpapi.Fault{Location: "path.id", Message: "is used by this " + one.Kind, Value: id.String()})
			}
		}
	}
	if len(counts) == 0 {
		return nil, nil
	}
	return httpapi.Conflict.Problem("the "+what+" is used by "+strings.Join(counts, " and "), faults...), nil
}

// usedBy is one row of a statement for stillUsed: those of a kind, and what they are found by.
func usedBy(kind, from, where string) string {
	return fmt.Sprintf(`
	select '%s' as kind, (select count(*) from %s where %s) as total, array(select u.id from %[2]s where %[3]s order by u.id limit %d) as ids`,
		kind, from, where, maxUsersNamed)
}
