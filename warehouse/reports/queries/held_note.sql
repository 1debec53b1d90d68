-- The newest signed checkpoint at or before the head, signature included.
select c.size, c.origin, c.root, c.note
from raw.checkpoints as c
where c.size <= (select h.through_seq + 1 from raw.head as h)
order by c.size desc
limit 1
