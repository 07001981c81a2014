package agents

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// industry adds an industry.
func (s service) industry(t *testing.T, name string) industry {
	t.Helper()
	return apitest.Decode[industry](t, s.Do(t, "POST", "/api/v1/industries", s.grace, fmt.Sprintf(`{"name":%q}`, name)).Want(t, http.StatusCreated))
}

func TestSlugOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Health care":             "health-care",
		"  Food & drink!  ":       "food-drink",
		"Café Größe":              "cafe-gro-e", // ß is no letter with an accent
		"Cafe\u0301":              "cafe",
		"R2-D2":                   "r2-d2",
		"AI":                      "ai",
		"ﬁnance":                  "finance",
		"İstanbul":                "istanbul",
		"विपणन":                   "",
		"--":                      "",
		strings.Repeat("ab ", 40): strings.TrimSuffix(strings.Repeat("ab-", 21), "-"),
		strings.Repeat("a", 255):  strings.Repeat("a", 63),
	} {
		if got := slugOf(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// A slug that was made of whatever name is one that the database takes, and one of itself.
func TestSlugOf_IsASlug(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		slug := slugOf(rapid.String().Draw(t, "name"))
		for part := range strings.SplitSeq(slug, "-") {
			if slug != "" && (part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789") != "") {
				t.Fatalf("made %q", slug)
			}
		}
		if len(slug) > maxSlug || slugOf(slug) != slug {
			t.Fatalf("made %q, and of it %q", slug, slugOf(slug))
		}
	})
}

func TestIndustries_SlugsAreForLife(t *testing.T) {
	t.Parallel()
	s := start(t)
	made := s.industry(t, "Health care")
	if made.Slug != "health-care" {
		t.Errorf("the slug is %q", made.Slug)
	}
	byID, bySlug := "/api/v1/industries/"+made.ID.String(), "/api/v1/industries/health-care"
	// By either name it is the same thing.
	for i, path := range []string{byID, bySlug, "/api/v1/industries/Health-Care"} {
		changed := apitest.Decode[industry](t, s.Do(t, "PUT", path, s.grace, fmt.Sprintf(`{"name":"Name %d"}`, i)).Want(t, http.StatusOK))
		if changed.ID != made.ID || changed.Version != int64(i)+2 || changed.Slug != made.Slug {
			t.Errorf("%s: %+v", path, changed)
		}
	}
	for _, method := range []string{"PUT", "PATCH"} {
		s.Do(t, method, byID, s.grace, `{"slug":"other"}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		s.Do(t, method, byID, s.grace, `{"slug":"health-care"}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	s.Do(t, "DELETE", bySlug, s.grace, "").Want(t, http.StatusNoContent)
	for _, path := range []string{byID, bySlug} {
		s.Do(t, "GET", path, "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
	for _, body := range []string{`{"name":"Health care"}`, `{"name":"Another","slug":"health-care"}`, `{"name":"Another","slug":"marketing"}`} {
		s.Do(t, "POST", "/api/v1/industries", s.grace, body).WantProblem(t, http.StatusConflict, "CONFLICT")
	}
	// Two may have one name, under two slugs.
	s.Do(t, "POST", "/api/v1/industries", s.grace, `{"name":"Health care","slug":"health-2"}`).Want(t, http.StatusCreated)
	if back := apitest.Decode[industry](t, s.Do(t, "POST", bySlug+"/restore", s.grace, "").Want(t, http.StatusOK)); back.ID != made.ID || back.Version != 6 {
		t.Errorf("restored %+v", back)
	}
	// What only looks like an id to a parser is a slug like any other.
	plain := strings.ReplaceAll(apitest.AnID, "-", "")
	s.Do(t, "POST", "/api/v1/industries", s.grace, fmt.Sprintf(`{"name":"Hex","slug":%q}`, plain)).Want(t, http.StatusCreated)
	s.Do(t, "GET", "/api/v1/industries/"+plain, "", "").Want(t, http.StatusOK)
	// Agents may be of a new industry, and of no deleted one.
	s.publish(t, with("industry", `"health-2"`))
	s.Do(t, "DELETE", bySlug, s.grace, "").Want(t, http.StatusNoContent)
	s.Do(t, "POST", "/api/v1/agents", s.ada, with("industry", `"health-care"`)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
}
