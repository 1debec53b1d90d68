#!/bin/sh
# Checks the evidence bundle that this file lies in, with sh, coreutils, perl and openssl.
#
#   sh verify.sh [VKEY]      VKEY: the verifier key that you trust, from outside the bundle
#
# Every line's hash and link, every root and the keys of the log by perl, every signature by openssl,
# the list of files and the blobs by sha256sum. Nothing is written but to a temporary folder.
# Exit code: 0 all of it holds; 3 something does not; 2 a tool is missing, so nothing was checked.
set -u
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")" || exit 2

for tool in perl openssl sha256sum find sort sed grep awk cmp mktemp; do
  command -v "$tool" >/dev/null 2>&1 || { echo "MISSING $tool"; exit 2; }
done
perl -MDigest::SHA -MMIME::Base64 -e 1 2>/dev/null ||
  { echo "MISSING perl with Digest::SHA and MIME::Base64"; exit 2; }
openssl pkeyutl -help 2>&1 | grep -q rawin || { echo "MISSING openssl 3.0 or later"; exit 2; }

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL $*"; exit 3; }

# 1. The files are those of the list, each with its digest, and each has a name that a bundle has.
find . ! -type d ! -type f | grep . && fail "not a file"
find . ! -name . -name '*[!-._A-Za-z0-9]*' | grep . && fail "a name that no bundle has"
find . -type f | sed 's|^\./||' | grep -v -x MANIFEST.sha256 | sort >"$work/found"
sed 's/^.\{66\}//' MANIFEST.sha256 | sort >"$work/listed"
cmp -s "$work/found" "$work/listed" || fail "the files are not those of MANIFEST.sha256"
grep -v -x -E 'README\.md|verify\.(py|sh|sql)|verify-weight\.py|keys/(windows\.txt|[0-9a-f]{8}\.vkey)|ledger/(audit(-[0-9]{12})?\.jsonl|checkpoint|(checkpoints|segments)/[0-9]{12}|anchors/[0-9]{12}[-._A-Za-z0-9]*)|blobs/sha256/[0-9a-f]{2}/[0-9a-f]{62}' \
  "$work/found" && fail "a file that no bundle has"
sha256sum -c --strict MANIFEST.sha256 >"$work/sums" 2>&1 || { grep -v ': OK$' "$work/sums"; fail "MANIFEST.sha256"; }
echo "ok   files       $(wc -l <"$work/found") with the digests of MANIFEST.sha256, and no other"

# 2. Every blob has the name of its bytes.
grep '^blobs/' "$work/found" >"$work/blobs"
if [ -s "$work/blobs" ]; then
  xargs sha256sum <"$work/blobs" |
    awk '{ name = $2; gsub("^blobs/sha256/|/", "", name); if (name != $1) { print $2; bad = 1 } } END { exit bad }' ||
    fail "a blob that does not have the name of its bytes"
fi
echo "ok   blobs       $(wc -l <"$work/blobs") with the names of their bytes"

# 3. Lines, links, roots and keys. What openssl has to check is written to the temporary folder.
cat >"$work/check.pl" <<'PERL'
use strict; use warnings;
use Digest::SHA qw(sha256 sha256_hex); use MIME::Base64;
my ($work, $trusted) = @ARGV;
my $text = qr/"(?:[^"\\]|\\.)*"/;
my ($count, $head, $origin, @nodes, %ring, %root, %stub, %blob, %mark) = (0, "0" x 64, "");
my $jobs = 0;
sub stop { print "FAIL @_\n"; exit 3 }
sub slurp { open(my $file, "<:raw", $_[0]) or stop("cannot read $_[0]"); local $/; scalar <$file> }
sub node { sha256("\x01" . $_[0] . $_[1]) }
sub plain { my $s = substr($_[0], 1, -1);
  $s =~ s/\\(?:u00([0-9a-f]{2})|(.))/defined $1 ? chr hex $1 : {n=>"\n",t=>"\t",r=>"\r",b=>"\b",f=>"\f"}->{$2} \/\/ $2/ge; $s }
sub valid { my $size = shift; grep { $ring{$_}[0] <= $size && $size <= $ring{$_}[1] } keys %ring }
sub signers {    # text and known signers of a note; their signatures are left for openssl
  my ($note, $what, @keys) = @_;
  my ($body, $lines) = $note =~ /\A((?:[^\n]+\n)+)\n((?:[^\n]+\n)+)\z/ or stop("$what is no signed note");
  stop("$what: a control character") if $note =~ /[\x00-\x09\x0b-\x1f\x7f]/;
  my (%known, %found);
  for (@keys) { my ($name, $id) = split /\+/, $_, 3; $known{"$name $id"} = $_ }
  for my $line (split /\n/, $lines) {
    my ($name, $sig) = $line =~ /\A\xe2\x80\x94 (\S+) (\S+)\z/ or stop("$what: a signature line");
    my $bytes = decode_base64($sig);
    stop("$what: another spelling of base64") if encode_base64($bytes, "") ne $sig;
    my $vkey = $known{"$name " . unpack("H8", $bytes)};
    next if !defined $vkey || $found{$vkey}++;
    my $public = decode_base64((split /\+/, $vkey, 3)[2]);
    stop("$what: the id of a key") if $name ne (split /\+/, $vkey)[0]
      || unpack("H8", $bytes) ne unpack("H8", sha256("$name\n$public")) || length $public != 33;
    $jobs++;
    for (["text", $body], ["sig", substr($bytes, 4)],
         ["der", pack("H*", "302a300506032b6570032100") . substr($public, 1)], ["what", "$what\n"]) {
      open(my $file, ">:raw", "$work/$jobs.$_->[0]") or stop("cannot write"); print $file $_->[1]; close $file }
  }
  stop("$what is not signed by a known key") unless %found;
  return ($body, \%found);
}
sub change {     # a key comes or goes
  my ($note, $seq) = @_;
  my $what = "change of keys at record $seq";
  $note =~ /\Aassay-ledger\/1 key\n([^\n]+)\n(add|retire) ([^\n]+)\n\n/ && $1 eq $origin or stop($what);
  my ($action, $vkey, %now) = ($2, $3, map { $_ => 1 } valid($seq));
  my (undef, $signed) = signers($note, $what, keys %{{ %now, $vkey => 1 }});
  stop("$what: no valid key signed") unless grep { $now{$_} } keys %$signed;
  if ($action eq "add") {
    stop("$what: may not come") if $ring{$vkey} || !$signed->{$vkey}; $ring{$vkey} = [$seq + 1, 9e15];
  } else {
    my @left = valid($seq + 1);
    stop("$what: may not go") unless @left > 1 && grep { $_ eq $vkey } @left; $ring{$vkey}[1] = $seq;
  }
}
my @notes = ((map { [$_, slurp($_)] } sort glob "ledger/checkpoints/*"), ["ledger/checkpoint", slurp("ledger/checkpoint")]);
for (@notes) { $_->[1] =~ /\A[^\n]+\n(0|[1-9][0-9]*)\n([A-Za-z0-9+\/=]{44})\n\n/ or stop("$_->[0] is no checkpoint"); $_->[2] = $1; $mark{$1} = 1 }
$root{0} = sha256("");
if (open my $list, "<", "$work/blobs") { while (<$list>) { chomp; s{^blobs/sha256/|/}{}g; $blob{$_} = 1 } }
for my $path (grep { -e } (sort glob("ledger/audit-*.jsonl")), "ledger/audit.jsonl") {
  stop("$path does not begin at record $count") if $path =~ /-([0-9]{12})/ && $1 != $count;
  open(my $file, "<:raw", $path) or stop("cannot read $path");
  while (my $line = <$file>) {
    my ($body, $stated) = $line =~ /\A(.*),"hash":"([0-9a-f]{64})"\}\n\z/s or stop("record $count: not a line of a ledger");
    $body .= "}";
    my ($link, $erased, $seq, $type) = $body =~ /"prev_hash":"([0-9a-f]{64})"(,"redacted":true)?(?:,"run_id":$text)?,"seq":(0|[1-9][0-9]*)(?:,"status":$text)?(?:,"step":$text)?,"ts":$text,"type":"([a-z]+)","v":1\}\z/
      or stop("record $count: not a record");
    stop("record $count: the link") if $link ne $head;
    stop("record $count: the sequence") if $seq != $count;
    if (sha256_hex("\0$body") ne $stated) {
      stop("record $count: the hash") unless $erased && $body =~ /\A\{(?:"id":$text,)?"prev_hash"/ && $body !~ /"seq":[0-9]+,"status"/;
      $stub{sha256_hex(substr($line, 0, -1))} = $count;
    } elsif ($count == 0) {
      $body =~ /"data":\{"format":"assay-ledger\/1","origin":($text),"segment":[0-9]+,"vkey":($text)\}/ or stop("no genesis record");
      $origin = plain($1); $ring{$trusted || plain($2)} = [0, 9e15];
    } elsif ($type eq "key") {
      $body =~ /"data":\{"note":($text)\}/ or stop("record $count: no change of keys"); change(plain($1), $count);
    } elsif ($type eq "redaction" && $body =~ /"seq":([0-9]+),"stub":"([0-9a-f]{64})"/ && ($stub{$2} // -1) == $1) { delete $stub{$2} }
    if (%blob) { delete $blob{$1} while $body =~ /"([0-9a-f]{64})"/g }
    $head = $stated; push @nodes, pack("H64", $stated); $count++;
    for (my $n = $count; $n % 2 == 0; $n /= 2) { my $right = pop @nodes; push @nodes, node(pop @nodes, $right) }
    if ($mark{$count}) { my $at = $nodes[-1]; $at = node($nodes[$_], $at) for reverse 0 .. $#nodes - 1; $root{$count} = $at }
  }
}
stop("no later redaction allows the stub at record $_") for values %stub;
stop("a blob that no record names: $_") for keys %blob;
print "ok   lines       $count records, each with its hash and its link, head $head\n";
for (@notes) {
  my ($path, $note, $size) = @$_;
  my ($body) = signers($note, $path, valid($size));
  stop("$path covers $size records, there are $count") unless $root{$size};
  stop("$path is of another ledger or root") if $body ne "$origin\n$size\n" . encode_base64($root{$size}, "") . "\n";
}
stop("the newest checkpoint does not cover all records") if $notes[-1][2] != $count;
stop("ledger/checkpoint is not the newest") if $notes[-1][1] ne $notes[-2][1];
my %named = map { chomp(my $key = slurp($_)); $key => 1 } glob "keys/*.vkey";
stop("keys/ does not hold the keys that the ledger states") if join("\n", sort keys %named) ne join("\n", sort keys %ring);
print "ok   roots       " . (@notes - 1) . " checkpoints have the roots of their records\n";
PERL
perl "$work/check.pl" "$work" "${1:-}" || exit 3

# 4. Every signature.
checked=0
for what in "$work"/*.what; do
  job=${what%.what}
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$job.der" -rawin -in "$job.text" \
    -sigfile "$job.sig" >/dev/null 2>&1 || fail "the signature under $(cat "$what")"
  checked=$((checked + 1))
done
echo "ok   signatures  $checked"
echo "PASS the newest checkpoint; compare these lines with a copy that you received elsewhere:"
sed -n 1,3p ledger/checkpoint
