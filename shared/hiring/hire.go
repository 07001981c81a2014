// Package hiring holds what more than one function knows of hires: the type, and how one is made.
package hiring

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
)

// Hire is an agent's work for a customer, from its trial on, as the customer, the agent's owner and governors see it. A
// trial that nobody goes on with is ended when its time is over.
type Hire struct {
	ID          uuid.UUID     `json:"id" format:"uuid"`
	AgentID     uuid.UUID     `json:"agent_id" format:"uuid"`
	Customer    string        `json:"customer" doc:"the owner claim of the customer's token"`
	Status      string        `json:"status" enum:"trial,active,ended,cancelled"`
	Duration    string        `json:"duration" enum:"monthly,quarterly,yearly"`
	Price       catalog.Money `json:"price" doc:"in currency, per month of 160 hours, as it was when the agent was hired"`
	Currency    string        `json:"currency" doc:"ISO 4217"`
	TrialDays   int           `json:"trial_days" doc:"where it is 0 there is no trial: the hire is active from the beginning"`
	TrialEndsAt time.Time     `json:"trial_ends_at"`
	ActivatedAt *time.Time    `json:"activated_at" nullable:"true" doc:"when it went on after its trial"`
	EndedAt     *time.Time    `json:"ended_at" nullable:"true" doc:"when it ended or was cancelled"`
	Version     int64         `json:"version"`
	CreatedAt   time.Time     `json:"created_at"`
	UpdatedAt   time.Time     `json:"updated_at"`
}

// Address implements httpapi.Addressed.
func (h Hire) Address() string { return "/api/v1/hires/" + h.ID.String() }

// Tag implements httpapi.Tagged: a trial ends without a new version.
func (h Hire) Tag() (version int64, derived any) { return h.Version, h.Status }

// Draft is a hire as a customer asks for it.
type Draft struct {
	Duration string `json:"duration" enum:"monthly,quarterly,yearly" doc:"one of the agent's allowed_durations" example:"monthly"`
}

var (
	// OwnAgent is the problem of who would hire or praise an agent of their own.
	OwnAgent = httpapi.NewProblemType("OWN_AGENT", http.StatusForbidden, "The agent is your own",
		"Nobody hires or reviews an agent of their own. Where it was given to you after you hired it, the hire stays, without a review.")
	// AgentTaken is the problem of who would hire an exclusive agent that somebody has.
	AgentTaken = httpapi.NewProblemType("AGENT_TAKEN", http.StatusConflict, "The agent is taken",
		"An exclusive agent has one hire at a time. Try again when that has ended, or look for a similar one.")
	// AgentOffline is the problem of who would hire an agent that takes no hires.
	AgentOffline = httpapi.NewProblemType("AGENT_OFFLINE", http.StatusConflict, "The agent is offline",
		"Its owner takes no hires for it at present. Look for one whose status is available or working.")
)
