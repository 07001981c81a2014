-- 22 agents for marketing. Skills are numbers of 010_skills.sql, teams of 045_teams.sql, roles of 020_job_roles.sql.
-- Agents come before their teams, which list them.

set constraints plant.agents_team_id_owner_issuer_owner_fkey deferred;

insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate, status, trial_days, allowed_durations,
  exclusive, tags, languages, skill_ids, job_role_id, team_id, description, created_at, updated_at)
select ('01920000-0000-7000-8000-' || lpad((4000 + n)::text, 12, '0'))::uuid, 'https://partners.plant.example', owner, name, specialization,
  'marketing', rate, status, trial, durations, exclusive, tags, languages,
  array(select ('01920000-0000-7000-8000-' || lpad((1000 + k)::text, 12, '0'))::uuid from unnest(skills) k),
  ('01920000-0000-7000-8000-' || lpad((2000 + role)::text, 12, '0'))::uuid, ('01920000-0000-7000-8000-' || lpad((3000 + team)::text, 12, '0'))::uuid,
  description, timestamptz '2026-03-01 07:30+00' + n * interval '37 hours', timestamptz '2026-09-01 12:00+00' + n * interval '5 hours'
from (values
  (1, 'brightside-labs', 'Campaign Writer', 'Content writing', 85.00, 'available', 7, array['monthly', 'quarterly'], false, array['blog', 'articles', 'b2b'], array['en', 'hi'], array[1, 2, 10], 1, 1,
   'Writes articles and landing pages for software companies from a one-page brief. Delivers an outline within the hour and a first draft the same day, with every claim linked to its source.'),
  (2, 'brightside-labs', 'Search Gardener', 'SEO', 120.00, 'available', 7, array['monthly', 'quarterly', 'yearly'], false, array['seo', 'audit', 'blog'], array['en'], array[3, 4, 8], 3, 1,
   'Audits a site every week, ranks what to fix by what it would bring, and writes the briefs for new pages. Needs read access to your analytics and search console.'),
  (3, 'brightside-labs', 'Post Planner', 'Social media', 64.50, 'available', 14, array['monthly', 'quarterly'], false, array['social', 'scheduling', 'instagram'], array['en', 'hi', 'ta'], array[5, 6, 12], 2, 1,
   'Turns a monthly theme into a calendar of posts for social media, with captions, picture briefs and hashtags for each network. Waits for your approval before anything goes out.'),
  (4, 'mango-media', 'Comment Keeper', 'Social media', 58.00, 'available', 7, array['monthly'], false, array['social', 'community', 'support'], array['en', 'hi', 'mr'], array[6, 10], 2, null,
   'Reads every comment and message on your social media pages and answers what it safely can, in your voice. Complaints, refunds and anything about health go straight to a person.'),
  (5, 'mango-media', 'Reel Smith', 'Video scripts', 95.00, 'working', 7, array['monthly', 'quarterly'], false, array['video', 'reels', 'shorts'], array['en', 'hi', 'te'], array[11, 1, 12], 2, null,
   'Writes hooks, scripts and shot lists for clips under a minute. Give it a product and a mood; it returns five ideas, and films nothing you would be ashamed of.'),
  (6, 'mango-media', 'Festival Calendar', 'Event promotion', 49.99, 'available', 7, array['monthly', 'quarterly', 'yearly'], false, array['festivals', 'retail', 'offers'], array['en', 'hi', 'gu', 'bn'], array[14, 1, 7], 6, null,
   'Knows the festivals of every Indian state and prepares offers, greetings and reminders for shops three weeks ahead. Regional wording is checked against local usage.'),
  (7, 'inbox-and-co', 'Sequence Builder', 'Email marketing', 110.00, 'available', 7, array['monthly', 'quarterly'], false, array['email', 'automation', 'saas'], array['en'], array[7, 1, 16], 4, null,
   'Designs welcome, trial and win-back sequences for subscription products and tests one change at a time. Reports in plain sentences which message earned its place.'),
  (8, 'inbox-and-co', 'Subject Line Lab', 'Email marketing', 45.00, 'available', 3, array['monthly'], false, array['email', 'testing'], array['en', 'fr'], array[1, 7], 4, null,
   'Writes and tests subject lines and preview texts for newsletters. Learns from your own list only, and never borrows tricks that cost trust.'),
  (9, 'inbox-and-co', 'Newsletter Editor', 'Newsletters', 78.25, 'offline', 7, array['monthly', 'quarterly'], false, array['newsletter', 'editing'], array['en', 'de'], array[2, 7, 10], 1, null,
   'Collects what your team did this week, asks two questions and sends back a newsletter that people finish. Keeps an archive of topics so that nothing is told twice.'),
  (10, 'clickwright', 'Bid Minder', 'Paid search', 180.00, 'available', 7, array['monthly', 'quarterly', 'yearly'], true, array['ads', 'ppc', 'budget'], array['en'], array[9, 8, 41], 5, null,
   'Looks after search advertising accounts up to five lakh rupees a month: bids, negative keywords, ad texts and a daily limit it never exceeds. Every change is logged with its reason.'),
  (11, 'clickwright', 'Ad Variant Maker', 'Paid social', 92.00, 'available', 7, array['monthly', 'quarterly'], false, array['ads', 'creative', 'testing'], array['en', 'hi'], array[1, 12, 8], 5, null,
   'Makes sets of advertisement texts and picture briefs that differ in one idea each, so that a test tells you something. Retires losers after enough views, not after a bad day.'),
  (12, 'clickwright', 'Campaign Accountant', 'Marketing analytics', 150.00, 'available', 7, array['monthly', 'yearly'], false, array['reporting', 'attribution', 'dashboards'], array['en'], array[8, 41], 5, null,
   'Joins spend, visits and sales into one table each morning and explains what moved. Says when the numbers are too few to conclude anything.'),
  (13, 'kahani-works', 'Regional Rewriter', 'Localisation', 88.00, 'available', 7, array['monthly', 'quarterly'], false, array['translation', 'regional', 'indic'], array['hi', 'ta', 'te', 'bn', 'mr', 'en'], array[15, 10], 1, null,
   'Moves campaigns from English into five Indian languages and adapts jokes, units and forms of address. Each text comes with a back-translation for the approver.'),
  (14, 'kahani-works', 'Founder Ghost', 'Ghostwriting', 210.00, 'working', 10, array['monthly', 'quarterly'], true, array['linkedin', 'thought leadership'], array['en'], array[2, 10], 1, null,
   'Interviews a founder for twenty minutes by voice note and writes two posts a week in their own words. Keeps a list of opinions already taken, so that you never contradict yourself by accident.'),
  (15, 'kahani-works', 'Case Study Maker', 'Content writing', 130.00, 'available', 7, array['monthly'], false, array['case studies', 'b2b', 'interviews'], array['en', 'hi'], array[2, 13], 1, null,
   'Prepares questions, reads the call transcript and writes customer stories with numbers that the customer has confirmed. Sends a one-slide version along.'),
  (16, 'lantern-research', 'Rival Watcher', 'Market research', 140.00, 'available', 7, array['monthly', 'quarterly', 'yearly'], false, array['competitors', 'pricing', 'alerts'], array['en'], array[13, 41], 3, null,
   'Follows up to thirty competitors'' public pages and tells you on Monday what changed in prices, claims and hiring. Ignores cosmetic edits.'),
  (17, 'lantern-research', 'Survey Reader', 'Market research', 99.00, 'available', 7, array['monthly'], false, array['surveys', 'feedback', 'themes'], array['en', 'hi'], array[13, 8], 6, null,
   'Reads open answers of surveys and reviews, groups them into themes and quotes the best example of each. Shows how many people said what, including nothing.'),
  (18, 'lantern-research', 'Persona Sketcher', 'Market research', 75.00, 'offline', 7, array['monthly'], false, array['personas', 'interviews'], array['en'], array[13], 6, null,
   'Builds audience profiles from your own interviews and sales notes and marks which traits are evidence and which are guesses.'),
  (19, 'mango-media', 'Product Page Polisher', 'Copywriting', 55.00, 'available', 7, array['monthly', 'quarterly'], false, array['ecommerce', 'catalogue', 'marketplaces'], array['en', 'hi'], array[1, 3], 1, null,
   'Rewrites product titles, bullet points and descriptions for online shops, a few hundred a day. Keeps measurements and warranty terms exactly as you gave them.'),
  (20, 'brightside-labs', 'Webinar Filler', 'Event promotion', 70.00, 'available', 7, array['monthly', 'quarterly'], false, array['webinars', 'invitations', 'follow-up'], array['en'], array[14, 7, 33], 6, null,
   'Promotes online events: invitations, three reminders, a thank-you with the recording and a list of those worth a call. Writes differently to those who came and those who did not.'),
  (21, 'clickwright', 'Landing Page Tester', 'Conversion', 160.00, 'working', 7, array['quarterly', 'yearly'], false, array['experiments', 'landing pages'], array['en'], array[1, 8], 5, null,
   'Suggests one hypothesis a week for a landing page, writes the variant and computes the sample it needs before it starts. Publishes failures too.'),
  (22, 'kahani-works', 'Press Note Writer', 'Public relations', 105.00, 'available', 7, array['monthly'], false, array['press', 'media lists'], array['en', 'hi', 'ta'], array[2, 10, 13], 1, null,
   'Turns a launch into a press note, a one-paragraph pitch for each desk and answers to the five questions that journalists will ask.')
) v (n, owner, name, specialization, rate, status, trial, durations, exclusive, tags, languages, skills, role, team, description)
where not exists (select from plant.agents where id = ('01920000-0000-7000-8000-' || lpad((4000 + n)::text, 12, '0'))::uuid);
