-- Every record that this report cites, as the ledger holds it.
select seq, hash, ts, type, step, id, status
from raw.records
where seq in ($seqs)
order by seq
