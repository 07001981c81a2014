-- Who hired the demo agents in the 90 days up to now, and what they said. Nothing here is random: it follows from hashes of
-- ids, so that it is as long ago on every machine. One agent in nine is new, and was never hired.

insert into plant.hires (id, agent_id, customer_issuer, customer, duration, status, activated_at, ended_at, version, created_at, updated_at)
select id, agent_id, 'https://customers.plant.example', customer, duration, status, activated_at, ended_at,
  1 + (activated_at is not null)::int + (status = 'cancelled' or status = 'ended' and activated_at is not null)::int, began, coalesce(ended_at, activated_at, began)
from (
  select *,
    case when began + trial > now() and not (cancels and said <= now()) and not (goes_on and said <= now()) then 'trial'
      when cancels then 'cancelled'
      when not goes_on then 'ended'
      when leaves <= now() then 'ended'
      else 'active' end as status,
    case when goes_on and said <= now() then said end as activated_at,
    case when cancels and said <= now() then said
      when not cancels and not goes_on and began + trial <= now() then began + trial
      when goes_on and leaves <= now() then leaves end as ended_at
  from (
    select *, chance < 0.12 as cancels, chance >= 0.5 - 0.35 * quality as goes_on, began + trial * (0.4 + 0.5 * jitter) as said,
      began + trial + case when exclusive and not last then interval '6 days' when chance > 0.8 then interval '24 days' else interval '200 days' end as leaves
    from (
      select ('01920000-0000-7000-8000-' || lpad((5000000 + right(a.id::text, 12)::bigint * 20 + k)::text, 12, '0'))::uuid as id, a.id as agent_id, a.exclusive, k = hires as last, quality,
        (h / 3 % 1000) / 1000.0 as chance, (h / 17 % 1000) / 1000.0 as jitter, a.trial_days * interval '24 hours' as trial,
        a.allowed_durations[1 + h % cardinality(a.allowed_durations)] as duration,
        now() - interval '89 days' * (hires - k + (h / 29 % 1000) / 1250.0) / hires - interval '5 hours' as began,
        (array['konkan-foods', 'monsoon-travels', 'blue-lotus-clinic', 'tatva-textiles', 'harbour-books', 'saffron-kitchens', 'orbit-logistics', 'little-banyan-school',
          'pixel-and-pine', 'metro-fitness', 'greenfield-organics', 'lakeview-academy', 'sunrise-motors', 'nimbus-cloud-works', 'kaveri-jewels', 'paper-kite-toys',
          'hillside-hospital', 'vastra-fashion', 'bright-minds-coaching', 'coastal-realty', 'silver-thread-saas', 'daily-dairy', 'aarav-and-sons', 'open-field-sports'
        ])[1 + h % 24] as customer
      from (
        select *, case when exclusive then 3 else 3 + g / 5 % 9 end as hires, (g / 7 % 1000) / 1000.0 as quality
        from (select *, abs(hashtext(id::text)::bigint) as g from plant.agents where owner_issuer = 'https://partners.plant.example' and deleted_at is null) agents
      ) a
      cross join lateral generate_series(1, case when g % 9 = 0 then 0 else hires end) k
      cross join lateral (select abs(hashtext(a.id::text || ' ' || k)::bigint) as h) hash) hire) outcome) hire
where not exists (select from plant.hires where plant.hires.id = hire.id);

-- Two in three say something, the better an agent is the friendlier. Partners answer most of what is not.
insert into plant.reviews (id, hire_id, rating, text, reply, replied_at, created_at, updated_at)
select id, hire_id, rating, words[1 + (place + start) % cardinality(words)], reply, case when reply is not null then least(at + interval '20 hours', now()) end, at, at
from (
  select s.*, row_number() over (partition by agent_id, rating order by id) as place, case when s.rating = 1 then array[
      'We could not use it for our work, and said so within the trial.', 'It was offline twice in the first week, on the days that counted.']
    when s.rating = 2 then array[
      'Too many corrections for the price. It may suit a simpler task.', 'Knows the general case and not ours. We went back to doing it by hand.', 'The result is fine, the way there was not: four days of set-up.']
    when s.rating = 3 then array[
      'Good work once it knew our tone. The first week needed a person beside it.', 'Reliable, if slow on Mondays. We kept it for one task of the three.',
      'Answers are right and rather long. Support replied the same day.', 'It does what it says. Setting it up took us longer than we thought.']
    when s.rating = 4 and s.industry = 'marketing' then array[
      'Drafts on time, in our voice. It still asks before it uses a figure, which we like.', 'Our posts go out without anyone chasing them. Pictures could be braver.',
      'Found the pages that lost us visitors, and wrote better ones.', 'Good in Hindi and English, a little stiff in Marathi.', 'Reports that one can read in a minute. We would like them on Fridays.']
    when s.rating = 4 and s.industry = 'education' then array[
      'My daughter asks for it by herself. Reports to parents could be shorter.', 'It noticed what the class had not understood before the test did.',
      'Patient, and never gives the answer away. We miss a pause button.', 'Works on an old phone, which decided it for us.', 'Examples fit our syllabus, all but two chapters.']
    when s.rating = 4 then array[
      'Half of the first meetings now come from it. It needs a clean list to begin with.', 'Knows when to stop writing to somebody. Set-up took two days.',
      'The forecast was within five per cent for two months running.', 'Our sales team argues with it less than with each other.', 'Does the dull part well. The last word stays with us, as it should.']
    when s.industry = 'marketing' then array[
      'Saves us a day and a half each week, and the sources are always there.', 'The festival offers were ready three weeks early. Orders rose by a fifth.',
      'It told us which campaign to stop. Nobody had dared to.', 'First month: more enquiries than the whole quarter before.', 'We hired it for one brand and now use it for three.']
    when s.industry = 'education' then array[
      'From 54 to 81 marks in one term. We renewed for the year.', 'Explains one thing in five ways until one of them works.',
      'Teachers trust it, which says more than the marks.', 'My son laughs during maths. I had to look twice.', 'It remembers what was hard last week, and comes back to it.']
    else array[
      'Two large customers back whom we had given up. Worth every rupee.', 'Quotes go out within the hour, and have not been wrong yet.',
      'It reads what nobody here wanted to read, and finds the catch.', 'Paid for itself in nine days.', 'Polite, exact and never in a hurry. Our buyers ask for it by name.'] end as words,
    case when s.rating <= 2 then 'Thank you for trying it. Tell us what went wrong, and we set it up with you without charge.'
      when s.rating = 3 and s.h % 2 = 0 then 'Thank you. The next version needs less of a start: we will show you.'
      when s.h % 5 = 0 then 'Thank you, we told the whole team.' end as reply
  from (
    select ('01920000-0000-7000-8000-' || lpad((1000000 + right(h.id::text, 12)::bigint)::text, 12, '0'))::uuid as id, h.id as hire_id, a.id as agent_id, a.industry, h.hash as h,
      abs(hashtext(a.id::text)::bigint) as start, least(h.over + interval '26 hours' * (1 + h.hash % 4), now()) as at,
      case when h.status = 'cancelled' then 1 + h.hash / 5 % 3 when h.activated_at is null then 2 + h.hash / 5 % 3
        else 3 + (h.hash / 5 % 100 < 30 + 65 * (abs(hashtext(a.id::text)::bigint) / 7 % 1000) / 1000.0)::int + (h.hash / 11 % 100 < 70)::int end as rating
    from (
      select *, coalesce(activated_at, ended_at) as over, abs(hashtext('review ' || id)::bigint) as hash from plant.hires
      where customer_issuer = 'https://customers.plant.example' and status <> 'trial') h
    join plant.agents a on a.id = h.agent_id
    where h.hash % 3 > 0) s) said
where place <= cardinality(words) and not exists (select from plant.reviews where plant.reviews.hire_id = said.hire_id); -- nobody says the same of one agent
