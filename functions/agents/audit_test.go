package agents

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

func verifiersOf(t testing.TB, keys ...string) note.Verifiers {
	t.Helper()
	verifiers, err := audit.NewVerifiers(keys)
	if err != nil {
		t.Fatal(err)
	}
	return verifiers
}

// checkpoint gets the signed head and opens it.
func (s service) checkpoint(t testing.TB) (audit.Checkpoint, string) {
	t.Helper()
	answer := s.Do(t, "GET", "/api/v1/audit/checkpoint", "", "").Want(t, http.StatusOK)
	opened, err := audit.Open([]byte(answer.Body), verifiersOf(t, auditVerifier))
	if err != nil {
		t.Fatal(err)
	}
	return opened, answer.Body
}

func (s service) export(t testing.TB) string {
	t.Helper()
	answer := s.Do(t, "GET", "/api/v1/audit/export", s.grace, "").Want(t, http.StatusOK)
	if got := answer.Header.Get("Content-Type"); got != "application/x-ndjson" {
		t.Errorf("Content-Type is %q", got)
	}
	return answer.Body
}

// run runs the audit, and returns the ids of the rules that are broken.
func (s service) run(t testing.TB, body string) (auditReport, []string) {
	t.Helper()
	report := apitest.Decode[auditReport](t, s.Do(t, "POST", "/api/v1/audit/run", s.grace, body).Want(t, http.StatusOK))
	var broken []string
	for _, rule := range report.Rules {
		if rule.Violations > 0 {
			broken = append(broken, rule.ID)
		}
	}
	if report.Compliant != (len(broken) == 0) {
		t.Errorf("compliant is %v with %v broken", report.Compliant, broken)
	}
	return report, broken
}

// busy makes changes of every kind.
func (s service) busy(t testing.TB) {
	t.Helper()
	skill := apitest.Decode[catalog.Skill](t, s.Do(t, "POST", "/api/v1/skills", s.grace, `{"name":"Zuhören \"ß\" \\ 🌱","category":"soft_skill","description":"tab\there\nline"}`).Want(t, http.StatusCreated)).ID
	role := apitest.Decode[catalog.JobRole](t, s.Do(t, "POST", "/api/v1/job-roles", s.grace, fmt.Sprintf(`{"name":"Role","required_skills":[%q],"seniority_level":"mid"}`, skill)).Want(t, http.StatusCreated)).ID
	s.Do(t, "POST", "/api/v1/skills/"+skill.String()+"/certify", s.grace, `{"level":"expert","evidence_url":"https://e.example","issuer":"Board","expires_at":"2099-01-01T00:00:00Z"}`).Want(t, http.StatusOK)
	one := apitest.Decode[struct{ ID string }](t, s.Do(t, "POST", "/api/v1/agents", s.ada, with("skill_ids", fmt.Sprintf("[%q]", skill))).Want(t, http.StatusCreated)).ID
	two := apitest.Decode[struct{ ID string }](t, s.Do(t, "POST", "/api/v1/agents", s.ada, writer).Want(t, http.StatusCreated)).ID
	team := apitest.Decode[team](t, s.Do(t, "POST", "/api/v1/teams", s.ada, fmt.Sprintf(`{"name":"Team","job_role_id":%q,"agent_ids":[%q,%q]}`, role, one, two)).Want(t, http.StatusCreated)).ID
	path := "/api/v1/agents/" + one
	s.Do(t, "PUT", path, s.ada, `{"hourly_rate":12.5,"tags":["a","b"],"external_id":"x"}`).Want(t, http.StatusOK)
	s.Do(t, "PUT", path+"/status", s.ada, `{"status":"working"}`).Want(t, http.StatusOK)
	s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
	s.Do(t, "POST", path+"/restore", s.ada, "").Want(t, http.StatusOK)
	s.Do(t, "POST", path+"/transfer", s.ada, `{"owner":"zoe"}`).Want(t, http.StatusOK)
	s.Do(t, "DELETE", "/api/v1/teams/"+team.String(), s.ada, "").Want(t, http.StatusNoContent)
	s.Do(t, "DELETE", "/api/v1/skills/"+skill.String()+"/certification", s.grace, "").Want(t, http.StatusNoContent)
	s.Do(t, "PUT", "/api/v1/industries/sales", s.grace, `{"description":"Selling."}`).Want(t, http.StatusOK)
}

// What an outsider does: gets a checkpoint, an export and proofs, and checks all of it without the database.
func TestAudit_Outsider(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.publish(t, writer)
	first, _ := s.checkpoint(t)
	s.busy(t)
	second, signed := s.checkpoint(t)
	if first.Origin != "plant.test/audit" || second.Size <= first.Size || first.Root == second.Root {
		t.Errorf("got %v, then %v", first, second)
	}
	report, err := audit.Verify(strings.NewReader(s.export(t)), []byte(signed), verifiersOf(t, auditVerifier), audit.Frontier{})
	if err != nil || report.Signed != second.Size || report.Last != second.Size {
		t.Errorf("%+v, %v", report, err)
	}
	// Proofs, by the library that Go's checksum database uses.
	for seq := int64(1); seq <= second.Size; seq++ {
		proof := apitest.Decode[inclusionProof](t, s.Do(t, "GET", fmt.Sprintf("/api/v1/audit/proof/inclusion?seq=%d&size=%d", seq, second.Size), "", "").Want(t, http.StatusOK))
		if err := tlog.CheckRecord(tlogHashes(proof.Hashes), second.Size, second.Root, seq-1, tlog.RecordHash(proof.Leaf[:])); err != nil {
			t.Errorf("amendment %d: %v", seq, err)
		}
	}
	for size := int64(1); size <= second.Size; size++ {
		proof := apitest.Decode[consistencyProof](t, s.Do(t, "GET", fmt.Sprintf("/api/v1/audit/proof/consistency?first=%d", size), "", "").Want(t, http.StatusOK))
		if err := tlog.CheckTree(tlogHashes(proof.Hashes), second.Size, second.Root, size, tlog.Hash(proof.FirstRoot)); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
	}
	// The same head is the same note, and is kept once.
	if _, again := s.checkpoint(t); again != signed {
		t.Errorf("got %q, then %q", signed, again)
	}
	for _, query := range []string{
		"inclusion", "inclusion?seq=0", "inclusion?seq=x", "inclusion?seq=" + strconv.FormatInt(second.Size+1, 10), "inclusion?seq=1&size=" + strconv.FormatInt(second.Size+1, 10),
		"inclusion?seq=3&size=2", "consistency", "consistency?first=0", "consistency?first=3&second=2", "consistency?first=1&second=999999", "inclusion?seq=9223372036854775808",
	} {
		s.Do(t, "GET", "/api/v1/audit/proof/"+query, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	if after := s.Do(t, "GET", "/api/v1/audit/export?after="+strconv.FormatInt(second.Size-1, 10), s.grace, "").Body; strings.Count(after, "\n") != 1 {
		t.Errorf("after the last but one: %s", after)
	}
}

func tlogHashes(hashes []audit.Hash) []tlog.Hash {
	proof := make([]tlog.Hash, len(hashes))
	for i, hash := range hashes {
		proof[i] = tlog.Hash(hash)
	}
	return proof
}

// Every kind of change is one version and one amendment of what it changes, with an action of its own.
func TestAmendments_Actions(t *testing.T) {
	t.Parallel()
	s := start(t)
	begin, _ := s.checkpoint(t)
	s.busy(t)
	feed := apitest.Decode[feed](t, s.Do(t, "GET", fmt.Sprintf("/api/v1/changes?after=%d", begin.Size), "", "").Want(t, http.StatusOK))
	var got []string
	for _, change := range feed.Changes {
		got = append(got, fmt.Sprintf("%s %s %d", change.EntityType, change.Action, change.Version))
	}
	want := []string{
		"skill create 1", "job_role create 1", "skill certify 2", "agent create 1", "agent create 1",
		"team create 1", "agent update 2", "agent update 2", // who enters a team
		"agent update 3", "agent status 4",
		"agent delete 5", "team update 2", // who is deleted leaves it
		"agent restore 6", "agent transfer 7",
		"team delete 3", "agent update 3", // and its last agent is free
		"skill uncertify 3", "industry update 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	report, broken := s.run(t, "")
	if len(broken) > 0 || !report.ChainsWhole || report.Sequenced != feed.Next || report.Amendments != feed.Next || report.Entities["agent"] != 2 || report.Entities["team"] != 0 {
		t.Errorf("%v: %+v", broken, report)
	}
	for _, change := range feed.Changes {
		found := apitest.Decode[tampering](t, s.Do(t, "GET", "/api/v1/audit/tampering/"+change.EntityID.String(), s.grace, "").Want(t, http.StatusOK))
		if found.Tampered || found.BrokenAtIndex != nil || found.EntityType != change.EntityType || found.AmendmentCount == 0 {
			t.Errorf("%+v", found)
		}
	}
}

// Whatever is done past the guards is found, and named.
func TestAudit_FindsTampering(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sql    string // as a superuser; $1 is the agent
		broken []string
		index  int // of the agent's amendments
	}{
		"a field, with triggers off":   {`update plant.agents set name = 'Other' where id = $1`, []string{"L0-02"}, 3},
		"the owner":                    {`update plant.agents set owner = 'eve' where id = $1`, []string{"L0-02"}, 3},
		"a version without amendment":  {`update plant.agents set version = 4 where id = $1`, []string{"L0-02"}, 3},
		"the row is gone":              {`delete from plant.agents where id = $1`, []string{"L0-02"}, 3},
		"what was changed":             {`update plant.amendments set change = replace(change, 'Two', 'Too') where entity_id = $1`, []string{"L0-04"}, 1},
		"who changed it":               {`update plant.amendments set actor = repeat('0', 64) where entity_id = $1 and version = 2`, []string{"L0-04"}, 1},
		"when":                         {`update plant.amendments set at = at + interval '1 microsecond' where entity_id = $1 and version = 3`, []string{"L0-04"}, 2},
		"an amendment is gone":         {`delete from plant.amendments where entity_id = $1 and version = 2`, []string{"L0-03", "L0-04", "L0-05"}, 1},
		"the last amendment is gone":   {`delete from plant.amendments where entity_id = $1 and version = 3`, []string{"L0-02", "L0-03"}, 2},
		"the hash with it":             {`update plant.amendments m set actor_role = 'customer' where entity_id = $1 and version = 3; update plant.amendments m set hash = sha256(convert_to(plant.amendment_text(m), 'UTF8')) where entity_id = $1 and version = 3`, []string{"L0-03"}, 2},
		"two places":                   {`update plant.amendments set seq = 1000 where entity_id = $1 and version = 1; update plant.amendments set seq = seq - 1 where entity_id = $1 and version = 2; update plant.amendments set seq = (select seq + 1 from plant.amendments where entity_id = $1 and version = 2) where entity_id = $1 and version = 1`, []string{"L0-03", "L0-04"}, 0},
		"a leaf":                       {`update plant.tree_hashes set hash = sha256(hash) where level = 0 and n = (select seq - 1 from plant.amendments where entity_id = $1 and version = 2)`, []string{"L0-03"}, 1},
		"a guard is off":               {`alter table plant.amendments disable trigger append_only`, []string{"L0-03"}, -1},
		"a guard is gone":              {`drop trigger _amended on plant.agents`, []string{"L0-03"}, -1},
		"an industry that was changed": {`update plant.agents set industry = 'sales' where id = $1`, []string{"L0-02"}, 3},
		"a skill that is not there":    {`update plant.agents set skill_ids = array['01900000-0000-7000-8000-00000000dead'::uuid] where id = $1`, []string{"L0-02", "L1-AGENT-01"}, 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			agent := s.publish(t, writer).ID
			path := "/api/v1/agents/" + agent.String()
			for _, name := range []string{"Two", "Three"} {
				s.Do(t, "PUT", path, s.ada, `{"name":"`+name+`"}`).Want(t, http.StatusOK)
			}
			if _, broken := s.run(t, ""); len(broken) > 0 {
				t.Fatalf("broken before: %v", broken)
			}
			s.checkpoint(t)
			s.DB.Exec(t, `set session_replication_role = replica`)
			for sql := range strings.SplitSeq(test.sql, "; ") {
				s.DB.Exec(t, strings.ReplaceAll(sql, "$1", "'"+agent.String()+"'"))
			}
			s.DB.Exec(t, `reset session_replication_role`)
			if _, broken := s.run(t, ""); !slices.Equal(broken, test.broken) {
				t.Errorf("broken are %v, want %v", broken, test.broken)
			}
			found := apitest.Decode[tampering](t, s.Do(t, "GET", "/api/v1/audit/tampering/"+agent.String(), s.grace, "").Want(t, http.StatusOK))
			index := -1
			if found.BrokenAtIndex != nil {
				index = *found.BrokenAtIndex
			}
			if index != test.index || found.Tampered != (index >= 0) || found.Tampered != (found.Reason != nil) {
				t.Errorf("broken at %d, want %d: %+v", index, test.index, found)
			}
		})
	}
}

// D3, D5: who rewrites what was signed, with all hashes right, gets no signature any more.
func TestD5_RewrittenSuffix(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.busy(t)
	_, before := s.checkpoint(t)
	old := s.export(t)
	s.DB.Exec(t, `set session_replication_role = replica`)
	s.DB.Exec(t, `update plant.amendments set actor_role = 'customer' where seq = (select max(seq) from plant.amendments)`)
	s.DB.Exec(t, `update plant.amendments m set hash = sha256(convert_to(plant.amendment_text(m), 'UTF8'))`)
	s.DB.Exec(t, `truncate plant.tree_hashes`)
	s.DB.Exec(t, `update plant.amendments set seq = null`)
	s.DB.Exec(t, `select plant.sequence_amendments(true, 100000)`)
	s.DB.Exec(t, `reset session_replication_role`)
	if _, broken := s.run(t, ""); len(broken) > 0 {
		t.Errorf("the attacker was careless: %v", broken)
	}
	s.Do(t, "GET", "/api/v1/audit/checkpoint", "", "").WantProblem(t, http.StatusConflict, "AUDIT_BROKEN")
	if !strings.Contains(s.Log.String(), "not the one that was signed") {
		t.Error("nobody is told")
	}
	new := s.export(t)
	for text, want := range map[string]bool{old: true, new: false} {
		if _, err := audit.Verify(strings.NewReader(text), []byte(before), verifiersOf(t, auditVerifier), audit.Frontier{}); (err == nil) != want {
			t.Errorf("verified: %v", err)
		}
	}
	// D3: the tail is cut.
	s.DB.Exec(t, `set session_replication_role = replica`)
	s.DB.Exec(t, `truncate plant.amendments, plant.tree_hashes`)
	s.DB.Exec(t, `reset session_replication_role`)
	s.Do(t, "GET", "/api/v1/audit/checkpoint", "", "").WantProblem(t, http.StatusConflict, "AUDIT_BROKEN")
}

// D11: a new key takes over. What the old one signed still counts, as long as its verifier is configured.
func TestD11_KeyRotation(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.publish(t, writer)
	_, old := s.checkpoint(t)
	signer, verifier, err := note.GenerateKey(rand.Reader, "plant.test/audit-2")
	if err != nil {
		t.Fatal(err)
	}
	// Who knows none of those that signed before cannot tell whether this goes on from it, and signs nothing.
	stranger := apitest.Join(t, s.Service, Function, func(settings *httpapi.Settings) { settings.Audit.Key = config.Secret(signer) })
	stranger.Do(t, "GET", "/api/v1/audit/checkpoint", "", "").WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE")
	if !strings.Contains(stranger.Log.String(), "AUDIT_OLD_KEYS") {
		t.Error("nobody is told")
	}
	next := apitest.Join(t, s.Service, Function, func(settings *httpapi.Settings) {
		settings.Audit.Key, settings.Audit.OldKeys = config.Secret(signer), []string{auditVerifier}
	})
	now := next.Do(t, "GET", "/api/v1/audit/checkpoint", "", "").Want(t, http.StatusOK).Body
	if _, err := audit.Open([]byte(now), verifiersOf(t, verifier)); err != nil {
		t.Error(err)
	}
	if _, err := audit.Verify(strings.NewReader(s.export(t)), []byte(old+"\n"+now), verifiersOf(t, auditVerifier, verifier), audit.Frontier{}); err != nil {
		t.Error(err)
	}
}

// Without a key nothing is signed, and everything else goes on.
func TestAudit_NoKey(t *testing.T) {
	t.Parallel()
	s, scheduler := startScheduled(t, func(settings *httpapi.Settings) { settings.Audit.Key = "" })
	s.publish(t, writer)
	s.Do(t, "GET", "/api/v1/audit/checkpoint", "", "").WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE")
	got := apitest.Decode[sequencing](t, s.Do(t, "POST", "/internal/sequence", scheduler, "").Want(t, http.StatusOK))
	if !got.Done || got.Size != dbtest.Scalar[int64](t, s.DB, `select count(*) from plant.amendments`) {
		t.Errorf("got %+v", got)
	}
}

// Only scheduled work sequences; it signs and keeps the head as well.
func TestSequence(t *testing.T) {
	t.Parallel()
	s, scheduler := startScheduled(t)
	s.publish(t, writer)
	for i, token := range s.tokens(t, scheduler) {
		want := [8]int{401, 403, 403, 403, 403, 403, 403, 200}[i]
		if got := s.Do(t, "POST", "/internal/sequence", token, ""); got.Status != want {
			t.Errorf("%s: got %d, want %d: %s", callers[i], got.Status, want, got.Body)
		}
	}
	if got := dbtest.Scalar[string](t, s.DB, `select note from plant.checkpoints`); !strings.HasPrefix(got, "plant.test/audit\n") {
		t.Errorf("kept is %q", got)
	}
	document, err := Function.OpenAPI()
	if err != nil || strings.Contains(string(document), "/internal/") {
		t.Errorf("the document tells of internal operations, or %v", err)
	}
}

// The history of an agent, for its owner and for governors, tells who changed what.
func TestHistory(t *testing.T) {
	t.Parallel()
	s := start(t)
	agent := s.publish(t, writer)
	path := "/api/v1/agents/" + agent.ID.String()
	s.Do(t, "PUT", path, s.grace, `{"hourly_rate":90,"name":"New"}`).Want(t, http.StatusOK)
	s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
	page := s.Do(t, "GET", path+"/history?limit=2&count=exact", s.ada, "").Want(t, http.StatusOK)
	entries := apitest.Decode[[]historyEntry](t, page)
	next, _, _ := strings.Cut(strings.TrimPrefix(page.Header.Get("Link"), "<"), ">")
	entries = append(entries, apitest.Decode[[]historyEntry](t, s.Do(t, "GET", next, s.ada, "").Want(t, http.StatusOK))...)
	if len(entries) != 3 || page.Header.Get("X-Total-Count") != "3" {
		t.Fatalf("got %+v", entries)
	}
	changed, err := json.Marshal(entries[1].Change)
	if err != nil || string(changed) != `{"hourly_rate":["85.00","90.00"],"name":["Campaign Writer","New"],"price":["13600.00","14400.00"]}` {
		t.Errorf("changed: %s, %v", changed, err)
	}
	for i, want := range []struct{ action, role string }{{"create", "partner"}, {"update", "governor"}, {"delete", "partner"}} {
		entry := entries[i]
		if entry.Action != want.action || entry.Actor.Role != want.role || entry.Version != int64(i+1) || i > 0 && entry.PreviousHash != entries[i-1].Hash {
			t.Errorf("got %+v, want %v", entry, want)
		}
		// Ada knows herself, and does not learn who the governor was.
		if known := entry.Actor.Subject != nil; known != (want.role == "partner") || known && *entry.Actor.Subject != "ada" {
			t.Errorf("the subject is %v", entry.Actor.Subject)
		}
	}
	byGovernor := apitest.Decode[[]historyEntry](t, s.Do(t, "GET", path+"/history", s.grace, "").Want(t, http.StatusOK))
	if subject := byGovernor[1].Actor.Subject; subject == nil || *subject != "grace" {
		t.Errorf("a governor sees %v", subject)
	}
	s.Do(t, "GET", path+"/history", s.Token(t, auth.Partner, "bob"), "").WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	// D13: a person is forgotten, and everything verifies as before.
	_, signed := s.checkpoint(t)
	s.DB.Exec(t, `delete from plant.amendment_salts where subject = 'ada'`)
	if forgotten := s.Do(t, "GET", path+"/history", s.grace, "").Want(t, http.StatusOK); strings.Contains(forgotten.Body, `"ada"`) {
		t.Errorf("not forgotten: %s", forgotten.Body)
	}
	if _, broken := s.run(t, ""); len(broken) > 0 {
		t.Errorf("broken: %v", broken)
	}
	exported := s.export(t)
	if _, err := audit.Verify(strings.NewReader(exported), []byte(signed), verifiersOf(t, auditVerifier), audit.Frontier{}); err != nil || strings.Contains(exported, `"ada"`) {
		t.Errorf("%v: %s", err, exported)
	}
}

// Several instances sign at once while much is written: each head goes on from all that were signed before it.
func TestAudit_ManySign(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, answer := range together(24, func(i int) apitest.Answer {
		if i%3 == 0 {
			return s.Do(t, "POST", "/api/v1/agents", s.ada, writer)
		}
		return s.Do(t, "GET", "/api/v1/audit/checkpoint", "", "")
	}) {
		if answer.Status >= http.StatusBadRequest {
			t.Errorf("got %d: %s", answer.Status, answer.Body)
		}
	}
	notes := dbtest.Scalar[string](t, s.DB, `select string_agg(note, E'\n' order by size) from plant.checkpoints`)
	_, last := s.checkpoint(t)
	if _, err := audit.Verify(strings.NewReader(s.export(t)), []byte(notes+"\n"+last), verifiersOf(t, auditVerifier), audit.Frontier{}); err != nil {
		t.Error(err)
	}
}
