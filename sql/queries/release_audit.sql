-- One row per benchmark, disguise and method: what the last audit by these settings found.
select benchmark, disguise, method, texts, found
from current_audits
where audit = $audit
order by benchmark nulls last, disguise, method
