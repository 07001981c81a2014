-- 16 job roles and the skills that they require, by the numbers of 010_skills.sql. One is certified.

insert into plant.job_roles (id, name, seniority_level, industry, specializations, description, required_skills, certification_level,
  certification_evidence_url, certification_issuer, certified_at, certified_by_issuer, certified_by, created_at, updated_at)
select ('01920000-0000-7000-8000-' || lpad((2000 + n)::text, 12, '0'))::uuid, name, seniority, industry, specializations, description,
  array(select ('01920000-0000-7000-8000-' || lpad((1000 + k)::text, 12, '0'))::uuid from unnest(skills) k), level, evidence, body, certified,
  case when level is not null then 'https://governance.plant.example' end, case when level is not null then 'meera' end,
  timestamptz '2026-02-02 10:00+00' + n * interval '1 day', timestamptz '2026-02-02 10:00+00' + n * interval '1 day'
from (values
  (1, 'Content writer', 'mid', 'marketing', array['Content writing', 'Blog writing'], 'Fills a content calendar with articles that rank and read well.'),
  (2, 'Social media manager', 'mid', 'marketing', array['Social media'], 'Runs a brand''s channels from plan to reply.'),
  (3, 'SEO specialist', 'senior', 'marketing', array['SEO'], 'Owns organic traffic: research, briefs, audits and measurement.'),
  (4, 'Email marketer', 'mid', 'marketing', array['Email marketing'], 'Builds and improves the sequences that bring customers back.'),
  (5, 'Performance marketer', 'senior', 'marketing', array['Paid search', 'Paid social'], 'Spends an advertising budget and accounts for it.'),
  (6, 'Marketing assistant', 'junior', 'marketing', array['Content writing', 'Event promotion'], 'Supports campaigns with drafts, lists and reminders.'),
  (7, 'Mathematics tutor', 'mid', 'education', array['Mathematics tutoring'], 'Takes a learner from where they are to where the syllabus wants them.'),
  (8, 'Language coach', 'mid', 'education', array['Language tutoring'], 'Gets people speaking: short daily practice with feedback.'),
  (9, 'Course designer', 'senior', 'education', array['Curriculum design'], 'Designs a whole course with lessons and assessments.'),
  (10, 'Teaching assistant', 'junior', 'education', array['Lesson planning', 'Marking'], 'Prepares material and marks exercises for a teacher.'),
  (11, 'Exam coach', 'mid', 'education', array['Exam preparation'], 'Gets a learner ready for one exam by one date.'),
  (12, 'Sales development representative', 'junior', 'sales', array['Prospecting', 'Outreach'], 'Finds and opens conversations and hands the good ones over.'),
  (13, 'Account executive', 'senior', 'sales', array['Closing'], 'Takes a qualified lead to a signed deal.'),
  (14, 'Sales operations analyst', 'mid', 'sales', array['Forecasting', 'CRM'], 'Keeps the numbers of a sales team true and useful.'),
  (15, 'Customer success manager', 'mid', 'sales', array['Renewals'], 'Keeps customers and grows what they use.'),
  (16, 'Proposal specialist', 'mid', 'sales', array['Proposals'], 'Writes offers and answers tenders on time.')
) v (n, name, seniority, industry, specializations, description)
join (values
  (1, array[1, 2, 10]), (2, array[5, 6, 10]), (3, array[3, 4, 8]), (4, array[1, 7, 16]), (5, array[8, 9, 41]), (6, array[1, 14]),
  (7, array[17, 26]), (8, array[19, 26]), (9, array[21, 22, 23]), (10, array[21, 23, 24]), (11, array[20, 23]),
  (12, array[30, 31, 32, 33]), (13, array[35, 37, 40]), (14, array[34, 38, 41]), (15, array[39, 37]), (16, array[35, 36])
) r (role, skills) on r.role = n
left join (values
  (7, 'advanced', 'https://evidence.plant.example/roles/mathematics-tutor.pdf', 'Safe Learning Board', timestamptz '2026-04-02 10:15+00')
) c (certified_role, level, evidence, body, certified) on c.certified_role = n
where not exists (select from plant.job_roles where id = ('01920000-0000-7000-8000-' || lpad((2000 + n)::text, 12, '0'))::uuid)
on conflict do nothing;
