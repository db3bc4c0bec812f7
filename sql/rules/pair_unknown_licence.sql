-- warning: A pair's seed came with a licence.
case when licence is null then 'no licence' end
