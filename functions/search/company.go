package search

import (
	"strings"
	"unicode"
)

// companyKind is a kind of company and what companies of it usually have done for them. It is there because what a company
// calls itself seldom stands in what an agent says of itself: no agent for email says "bakery".
type companyKind struct {
	name  string   // with its article: "an online shop"
	words []string // that tell it: whole words of up to three letters, beginnings of longer ones
	needs []need
}

// need is something to be done: the query that finds who does it, and why it matters.
type need struct{ query, because string }

// What several kinds need.
var (
	emailMarketing = need{"email marketing", "it brings customers back"}
	socialMedia    = need{"social media", "it keeps a business in sight between two purchases"}
	leadResearch   = need{"lead research", "somebody has to find the next customers"}
	contentWriting = need{"content writing", "people look for answers before they buy"}
	searchTraffic  = need{"search engine optimisation", "most visitors come from searches"}
	appointments   = need{"appointment setting", "an empty slot earns nothing"}
	proposals      = need{"proposal writing", "work is won by offers that are clear and on time"}
	renewals       = need{"account management renewals", "keeping a customer costs less than finding one"}
	localisation   = need{"translation localisation", "guests and buyers read their own language first"}
	promotion      = need{"event promotion", "seats, tables and seasons have to be filled"}
)

// companyKinds are looked through in this order.
var companyKinds = []companyKind{
	{"an online shop", strings.Fields("commerce ecommerce shop store webshop retail marketplace d2c fashion boutique"), []need{
		{"product page copywriting", "a page has to answer what a seller would"}, emailMarketing, searchTraffic, {"retail sales orders", "questions about orders come at all hours"}, {"paid search campaigns", "buyers compare at the moment they search"},
	}},
	{"a school", strings.Fields("school college university academy institute educat edtech tutor coaching kindergarten training teach"), []need{
		{"lesson planning", "preparation takes the evenings of teachers"}, {"assessment writing", "good questions take longest to write"}, {"exam preparation", "learners need practice under exam conditions"}, {"special needs support", "not every learner reads alike"}, {"admissions guidance", "families ask about deadlines and forms"},
	}},
	{"a practice", strings.Fields("dental dentist clinic doctor hospital medical health pharma physio veterinar therap salon spa"), []need{
		appointments, {"community management messages", "patients ask before they come"}, emailMarketing, searchTraffic, {"brand voice", "what may be promised about health is narrow"},
	}},
	{"a professional firm", strings.Fields("law lawyer legal attorney notary account tax audit consult advisor architect engineering"), []need{
		proposals, {"lead qualification", "the first talk should be with the right people"}, contentWriting, appointments, renewals,
	}},
	{"a young software company", strings.Fields("startup saas software tech technolog app ai it cloud platform fintech developer"), []need{
		leadResearch, {"cold outreach", "nobody knows a young company yet"}, contentWriting, {"email sequences trial onboarding", "a trial is won or lost in its first days"}, {"marketing analytics", "a small budget has to go where it works"},
	}},
	{"a place for guests", strings.Fields("restaurant cafe bakery hotel travel touris hospitality catering bar food event"), []need{
		socialMedia, promotion, {"community management comments", "guests read the answers to others"}, localisation, {"image briefing video", "people eat and book with their eyes"},
	}},
	{"an agency", strings.Fields("agenc marketing advert media pr design studio publish"), []need{
		{"copywriting", "every campaign begins with words"}, searchTraffic, {"video scripting", "short clips are what clients ask for"}, {"market research", "a pitch has to know the rivals"}, {"marketing analytics", "clients ask what it brought"},
	}},
	{"a maker or wholesaler", strings.Fields("manufactur factory industr wholesale b2b supplier logistic construction distribut import export"), []need{
		{"tenders proposals", "orders come through tenders"}, leadResearch, renewals, {"sales forecasting", "stock follows what will be sold"}, localisation,
	}},
	{"a firm that sells by trust", strings.Fields("insurance bank finance financial estate property realtor broker invest"), []need{
		{"lead qualification", "most enquiries are not ready yet"}, {"financial compliance", "what may be promised is regulated"}, appointments, {"crm hygiene", "a lost contact is a lost deal"}, contentWriting,
	}},
	{"an association", strings.Fields("ngo charit nonprofit foundation association museum church club"), []need{
		{"newsletter", "supporters want to see what their help did"}, promotion, socialMedia, localisation, proposals,
	}},
}

// anyCompany is what nearly every company needs; it stands for kinds that are not known.
var anyCompany = companyKind{"nearly any company", nil, []need{socialMedia, emailMarketing, leadResearch, contentWriting, renewals}}

// kindOf returns the kind that most of the words tell of, whole words rather than beginnings, the first of equals.
func kindOf(companyType string) companyKind {
	words := strings.FieldsFunc(strings.ToLower(companyType), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	best, most := anyCompany, 0
	for _, kind := range companyKinds {
		told := 0
		for _, word := range words {
			told += kind.tells(word)
		}
		if told > most {
			best, most = kind, told
		}
	}
	return best
}

// tells is 2 for one of the kind's words, 1 for a word that begins with one.
func (k companyKind) tells(word string) int {
	const wholeWords = 3 // letters: the beginnings of longer words say nothing
	told := 0
	for _, known := range k.words {
		switch {
		case word == known:
			return 2
		case len(known) > wholeWords && strings.HasPrefix(word, known):
			told = 1
		}
	}
	return told
}
