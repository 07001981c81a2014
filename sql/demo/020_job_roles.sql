-- 16 job roles and the skills that they require.

insert into plant.job_roles (id, name, seniority_level, industry, specializations, description, created_at, updated_at)
select ('01920000-0000-7000-8000-' || lpad((2000 + n)::text, 12, '0'))::uuid, name, seniority, industry, specializations, description,
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
on conflict do nothing;

insert into plant.job_role_skills (job_role_id, skill_id)
select ('01920000-0000-7000-8000-' || lpad((2000 + role)::text, 12, '0'))::uuid, ('01920000-0000-7000-8000-' || lpad((1000 + skill)::text, 12, '0'))::uuid
from (values
  (1, array[1, 2, 10]), (2, array[5, 6, 10]), (3, array[3, 4, 8]), (4, array[1, 7, 16]), (5, array[8, 9, 41]), (6, array[1, 14]),
  (7, array[17, 26]), (8, array[19, 26]), (9, array[21, 22, 23]), (10, array[21, 23, 24]), (11, array[20, 23]),
  (12, array[30, 31, 32, 33]), (13, array[35, 37, 40]), (14, array[34, 38, 41]), (15, array[39, 37]), (16, array[35, 36])
) v (role, skills) cross join lateral unnest(skills) skill
on conflict do nothing;
