-- What a teacher wrote is weighed in one place: what may be released of it, and what speaks against the
-- rest. Where one response is fit no other is asked for.

-- One row per teacher's response in a range of prompts. `ours` if it is of this teacher or was made
-- elsewhere; `eligible` if it may be released for what it says, `fit` if these rules on texts find
-- nothing in it either (or have not looked at it yet: then `rule` is null too).
create macro offered_responses(teacher, only_correct, text_rules, low, high) as table
select
    taught.prompt_id,
    taught.response_id,
    taught.sample_index,
    taught.verdict,
    taught.usable,
    taught.ours,
    taught.eligible,
    taught.ours and taught.eligible and faults.rule is null as fit,
    faults.rule,
    faults.detail
from (
    select
        *,
        coalesce(model = teacher, false) or server = 'import' as ours,
        usable and (not only_correct or coalesce(verdict = 'correct', false)) as eligible
    from teacher_responses
    where prompt_id >= low and prompt_id < high
) as taught
left join (
    select response_id, rule, detail
    from text_faults
    where rules = text_rules
) as faults
    on taught.response_id = faults.response_id;
