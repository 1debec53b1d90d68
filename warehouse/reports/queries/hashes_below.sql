-- The hashes of the records below a size, which are the leaves of the tree.
select hash
from raw.records
where seq < $size
order by seq
