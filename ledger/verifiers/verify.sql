-- Checks the evidence bundle in the current folder with DuckDB 1.3 or later:
--
--   duckdb < verify.sql
--   python3 -c "import duckdb; print(duckdb.sql(open('verify.sql').read()).fetchall())"
--
-- It reads files of the bundle and nothing else. The last statement gives one table; all of it holds
-- if no row says FAIL. An error instead of the table is a refusal too. SQL cannot check an Ed25519
-- signature: verify.sh and verify.py do.

-- The files that are there, and those of the list.
create or replace temp table found as
  select regexp_replace(replace(filename, '\', '/'), '^\./', '') as name,
         case when not regexp_matches(filename, 'audit[-.][^/]*jsonl$') then sha256(content) end as digest
  from read_blob('**');
create or replace temp table listed as
  select line[67:] as name, line[1:64] as digest
  from (select unnest(string_split(content, chr(10))) as line from read_text('MANIFEST.sha256'))
  where line <> '';

-- The lines, exact bytes: \x01 cannot occur in one.
create or replace temp table line as
  select row_number() over () - 1 as i, line
  from read_csv('ledger/audit*.jsonl', columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '',
                header = false, auto_detect = false, max_line_size = 1048576);
create or replace temp table record as
  select i, j[1] as prev_hash, j[2] as seq, j[3] as type, j[4] as redacted, j[5] as data_seq, j[6] as stub, j[7] as vkey,
         regexp_extract(line, ',"hash":"([0-9a-f]{64})"\}$', 1) as hash,
         sha256('\x00'::blob || encode(regexp_replace(line, ',"hash":"[0-9a-f]{64}"\}$', '}'))) as own,
         case when redacted = 'true' and not list_has_any(json_keys(line), ['status', 'actor', 'inputs', 'outputs', 'data'])
           then sha256(line) end as digest
  from (select i, line, case when json_valid(line) then
          json_extract_string(line, ['$.prev_hash', '$.seq', '$.type', '$.redacted', '$.data.seq', '$.data.stub', '$.data.vkey'])
        end as j from line);

-- The perfect subtrees of RFC 6962, and from them the root at the size of every checkpoint.
create or replace temp table node as
  with recursive tree as (
    select 0 as height, i, unhex(hash) as h from record
    union all
    select height + 1, i // 2, unhex(sha256('\x01'::blob || min_by(h, i) || max_by(h, i)))
    from tree group by height, i // 2 having count(*) = 2)
  select * from tree;
create or replace temp table signed as
  select filename as name, parts[1] as origin, try_cast(parts[2] as bigint) as size, parts[3] as root, content
  from (select filename, content, string_split(content, chr(10)) as parts
        from read_text(['ledger/checkpoints/*', 'ledger/checkpoint']));
create or replace temp table root as
  select size, base64(list_reduce(list(h order by height), lambda right_, left_: unhex(sha256('\x01'::blob || left_ || right_)))) as root
  from (select distinct size from signed) join node on (size >> height) & 1 = 1 and i = (size >> height) - 1
  group by size;

create or replace temp table evidence as
  select name, replace(name[13:], '/', '') as stated, digest from found where name like 'blobs/%';

-- A file that no bundle has; a stub is a line whose content was erased, and needs a later record that allows it.
with checks(nr, "check", expected, found) as (
  select 1, 'files that are not listed, or listed and not there, or no file of a bundle', 0,
         (select count(*) from (select name from found where name <> 'MANIFEST.sha256') f full join listed l using (name)
          where f.name is null or l.name is null or not regexp_full_match(name,
            'README\.md|verify\.(py|sh|sql)|verify-weight\.py|keys/(windows\.txt|[0-9a-f]{8}\.vkey)|blobs/sha256/[0-9a-f]{2}/[0-9a-f]{62}|'
            || 'ledger/(audit(-[0-9]{12})?\.jsonl|checkpoint|(checkpoints|segments)/[0-9]{12}|anchors/[0-9]{12}[-._A-Za-z0-9]*)'))
  union all select 2, 'files with another digest than the one listed (segments: see below)', 0,
         (select count(*) from found join listed using (name) where found.digest <> listed.digest)
  union all select 3, 'bytes of the segments, all of them in lines',
         (select sum(size) from read_blob('ledger/audit*.jsonl')), (select sum(strlen(line) + 1) from line)
  union all select 4, 'lines that state their own hash, or are a stub that a later redaction allows', (select count(*) from line),
         (select count(*) from record r where own = hash or exists (
            from record d where d.type = 'redaction' and d.own = d.hash and d.i > r.i
                            and d.data_seq = r.i::varchar and d.stub = r.digest))
  union all select 5, 'lines that state the hash of the line before', (select count(*) from line),
         (select count(*) from (select prev_hash, lag(hash, 1, repeat('0', 64)) over (order by i) as before from record)
          where prev_hash = before)
  union all select 6, 'lines whose seq is their position', (select count(*) from line),
         (select count(*) from record where seq = i::varchar)
  union all select 7, 'checkpoints with the root of their records', (select count(*) from signed),
         (select count(*) from signed join root using (size, root))
  union all select 8, 'checkpoints with the origin that the first record states', (select count(*) from signed),
         (select count(*) from signed where origin = (select json_extract_string(line, '$.data.origin') from line where i = 0))
  union all select 9, 'records under the newest checkpoint', (select count(*) from line),
         (select size from signed where name like '%ledger_checkpoint')
  union all select 10, 'copies of the newest checkpoint', 2,
         (select count(*) from signed where content = (select content from signed where name like '%ledger_checkpoint'))
  union all select 11, 'blobs with the name of their bytes', (select count(*) from evidence),
         (select count(*) from evidence where stated = digest)
  union all select 12, 'blobs that a record names', (select count(*) from evidence),
         (select count(*) from evidence where stated in (
            select unnest(regexp_extract_all(line, '"([0-9a-f]{64})"', 1)) from line where exists (from evidence)))
  union all select 13, 'keys in keys/ that the first record states', 1,
         (select count(*) from read_text('keys/*.vkey') where trim(content, chr(10)) = (select vkey from record where i = 0)))
select "check", result, expected, found from (
  select nr, "check", if(expected is not distinct from found, 'ok', 'FAIL') as result, expected::varchar as expected, found::varchar as found
  from checks
  union all
  select 14, 'signatures', 'not checked', 'verify.sh or verify.py', ''
  union all
  select 15, 'newest checkpoint, to compare with a copy received elsewhere', '', origin || ' ' || size || ' ' || root, ''
  from signed where name like '%ledger_checkpoint')
order by nr;
