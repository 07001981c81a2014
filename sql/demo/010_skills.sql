-- 42 skills, some of them certified. Loading twice changes nothing: ids are fixed.

insert into plant.skills (id, name, category, description, certification_level, certification_evidence_url, certification_issuer,
  certified_at, certified_by_issuer, certified_by, certification_expires_at, created_at, updated_at)
select ('01920000-0000-7000-8000-' || lpad((1000 + n)::text, 12, '0'))::uuid, name, category, description, level, evidence, body, certified,
  case when level is not null then 'https://governance.plant.example' end, case when level is not null then 'meera' end, expires,
  timestamptz '2026-01-12 09:00+00' + n * interval '7 hours', timestamptz '2026-01-12 09:00+00' + n * interval '7 hours'
from (values
  (1, 'Copywriting', 'technical', 'Writes short text that makes a reader act: ads, landing pages, subject lines.'),
  (2, 'Long-form writing', 'technical', 'Researches and writes articles of 800 to 3,000 words that hold together.'),
  (3, 'Search engine optimisation', 'technical', 'Finds what people search for and shapes pages so that they are found.'),
  (4, 'Keyword research', 'technical', 'Groups search terms by intent, volume and difficulty.'),
  (5, 'Social media scheduling', 'technical', 'Plans, queues and spaces posts over several networks.'),
  (6, 'Community management', 'soft_skill', 'Answers comments and messages in the voice of a brand, and knows when to call a person.'),
  (7, 'Email marketing', 'technical', 'Builds sequences, segments lists and reads what opens and clicks say.'),
  (8, 'Marketing analytics', 'technical', 'Turns campaign data into what to do more and less of.'),
  (9, 'Paid search campaigns', 'technical', 'Sets up and tends ads beside search results, within a budget.'),
  (10, 'Brand voice', 'domain_expertise', 'Keeps tone, words and claims of a brand the same everywhere.'),
  (11, 'Video scripting', 'technical', 'Writes scripts and shot lists for clips from ten seconds to ten minutes.'),
  (12, 'Image briefing', 'technical', 'Describes pictures so precisely that a designer or a model can make them.'),
  (13, 'Market research', 'domain_expertise', 'Compares competitors, prices and positions from public sources.'),
  (14, 'Event promotion', 'domain_expertise', 'Fills seats: invitations, reminders and follow-up of events and webinars.'),
  (15, 'Translation and localisation', 'technical', 'Moves text between languages so that it reads as if written there.'),
  (16, 'Data protection in marketing', 'certification', 'Knows consent, retention and opt-out rules for marketing data.'),
  (17, 'Mathematics tutoring', 'domain_expertise', 'Explains school and first-year mathematics step by step, finding where a learner got lost.'),
  (18, 'Science tutoring', 'domain_expertise', 'Physics, chemistry and biology up to school leaving level.'),
  (19, 'Language tutoring', 'domain_expertise', 'Practises speaking, grammar and vocabulary at a learner''s level.'),
  (20, 'Exam preparation', 'domain_expertise', 'Plans revision, sets timed papers and explains marks.'),
  (21, 'Lesson planning', 'technical', 'Turns a syllabus into lessons with aims, activities and timings.'),
  (22, 'Curriculum design', 'technical', 'Orders what is learnt over a term or a course, with prerequisites.'),
  (23, 'Assessment writing', 'technical', 'Writes questions that test one thing at a time, with mark schemes.'),
  (24, 'Essay feedback', 'domain_expertise', 'Comments on argument, structure and language without rewriting.'),
  (25, 'Coding instruction', 'technical', 'Teaches programming with small exercises and reviews of real code.'),
  (26, 'Patience with beginners', 'soft_skill', 'Explains again, differently, without hurry.'),
  (27, 'Special needs support', 'domain_expertise', 'Adapts material for dyslexia, attention difficulties and low vision.'),
  (28, 'Admissions guidance', 'domain_expertise', 'Knows deadlines, requirements and forms of colleges and universities.'),
  (29, 'Child safeguarding', 'certification', 'Trained to notice and hand over what endangers a child.'),
  (30, 'Lead research', 'technical', 'Finds companies and people who fit a profile, with a source for each fact.'),
  (31, 'Lead qualification', 'domain_expertise', 'Asks the few questions that tell whether a lead is worth a call.'),
  (32, 'Cold outreach', 'domain_expertise', 'Writes first messages that are about the reader, and stops when asked to.'),
  (33, 'Appointment setting', 'technical', 'Finds times, sends invitations, reminds and reschedules.'),
  (34, 'CRM hygiene', 'technical', 'Merges duplicates, fills gaps and keeps stages honest in a customer database.'),
  (35, 'Proposal writing', 'technical', 'Turns notes of a call into an offer with scope, price and terms.'),
  (36, 'Pricing and quoting', 'domain_expertise', 'Builds quotes from price lists, discounts and approval limits.'),
  (37, 'Objection handling', 'soft_skill', 'Answers doubts with facts and without pressure.'),
  (38, 'Sales forecasting', 'technical', 'Predicts revenue from a pipeline, and says how sure it is.'),
  (39, 'Account management', 'domain_expertise', 'Keeps customers: reviews, renewals, early signs of leaving.'),
  (40, 'Negotiation', 'soft_skill', 'Prepares positions, trades and limits for a deal.'),
  (41, 'Spreadsheet modelling', 'technical', 'Builds sheets that others can read and change.'),
  (42, 'Financial compliance basics', 'certification', 'Knows what may and may not be promised in regulated sales.')
) v (n, name, category, description)
left join (values
  (3, 'advanced', 'https://evidence.plant.example/skills/search-2026.pdf', 'Institute of Digital Practice', timestamptz '2026-02-20 11:00+00', timestamptz '2028-02-20 11:00+00'),
  (16, 'expert', 'https://evidence.plant.example/skills/data-protection.pdf', 'Data Protection Council', timestamptz '2026-03-05 09:30+00', null),
  (29, 'foundation', 'https://evidence.plant.example/skills/safeguarding.pdf', 'Safe Learning Board', timestamptz '2025-06-01 08:00+00', timestamptz '2026-06-01 08:00+00')
) c (skill, level, evidence, body, certified, expires) on c.skill = n
where not exists (select from plant.skills where id = ('01920000-0000-7000-8000-' || lpad((1000 + n)::text, 12, '0'))::uuid)
on conflict do nothing;
