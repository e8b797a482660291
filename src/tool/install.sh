#!/bin/sh
# Checks a Plugferry bundle (.tar.gz) and unpacks its plugins where there is no Node.js.
#
#   sh install.sh BUNDLE.tar.gz --public-key KEY.pub --to DIRECTORY
#
# KEY.pub is the public key of whoever signed the bundle. It must have come to you by another way than the bundle; nothing
# that lies beside the bundle is used as a key. DIRECTORY must not exist; it appears complete, or not at all.
#
# Before anything in the file is looked at, BUNDLE.tar.gz.sha256 and its signature BUNDLE.tar.gz.sha256.sig, which lie beside
# it, must vouch for every byte of it. Who wrote the file last signs these: give --file-key THEIR.pub where that was another
# (who countersigned or converted it) than KEY.pub. With --audience NAME the bundle must be meant for the environment NAME.
#
# Needs sh, gzip, openssl 3 (1.1.1 for ECDSA keys), awk, and of coreutils or busybox: cat, date, dd, fold, mkdir, mv, rm,
# sha256sum, tr, wc. No tar is run: what is where in the archive follows from the signed manifest.
#
# Exit codes are those of plugferry: 0 done, 2 wrong usage or key file, 3 damaged or no bundle, 4 not signed by this key, out
# of date or for others, 5 a bundle of another format, 6 DIRECTORY exists, 7 cannot read or write, 130 and 143 stopped.
#
# SPDX-License-Identifier: Apache-2.0
set -euf
umask 022
unset IFS CDPATH GZIP OPENSSL_CONF OPENSSL_MODULES OPENSSL_ENGINES AWKPATH AWKLIBPATH POSIXLY_CORRECT
LC_ALL=C
export LC_ALL
ulimit -c 0 || :

for tool in awk cat date dd fold gzip mkdir mv openssl rm sha256sum tr wc; do
  command -v "$tool" >/dev/null 2>&1 || {
    printf 'install.sh: %s is needed, and not in PATH\n' "$tool" >&2
    exit 2
  }
done

# say TEXT: no byte of a name from elsewhere reaches the terminal but printable ASCII.
say() {
  printf '%s' "$1" | tr -c ' -~' '?'
  printf '\n'
}
fail() {
  code=$1
  shift
  for text in "$@"; do say "install.sh: $text" >&2; done
  exit "$code"
}

usage='usage: sh install.sh BUNDLE.tar.gz --public-key KEY.pub [--file-key KEY.pub] [--audience NAME] --to DIRECTORY'
bundle= key= file_key= audience= to=
once() { [ -z "$2" ] || fail 2 "give $1 only once" "$usage"; }
while [ $# -gt 0 ]; do
  case $1 in
    --public-key | --file-key | --audience | --to)
      [ $# -ge 2 ] && [ -n "$2" ] || fail 2 "$1 needs a value" "$usage"
      case $1 in
        --to) once "$1" "$to" && to=$2 ;;
        --public-key) once "$1" "$key" && key=$2 ;;
        --file-key) once "$1" "$file_key" && file_key=$2 ;;
        --audience) once "$1" "$audience" && audience=$2 ;;
      esac
      shift 2
      ;;
    -h | --help)
      say "$usage"
      exit 0
      ;;
    -*) fail 2 "there is no option $1" "$usage" ;;
    *)
      [ -z "$bundle" ] || fail 2 'give one bundle' "$usage"
      bundle=$1
      shift
      ;;
  esac
done
[ -n "$bundle" ] && [ -n "$key" ] && [ -n "$to" ] || fail 2 "$usage"
file_key=${file_key:-$key}
for each in "$bundle" "$key" "$file_key"; do
  [ -f "$each" ] || fail 2 "$each is not a file"
  [ -r "$each" ] || fail 7 "$each cannot be read"
done
case $audience in *[!a-z0-9._-]*) fail 2 "$audience is no name of an environment" ;; esac

while [ "$to" != / ] && [ "${to%/}" != "$to" ]; do to=${to%/}; done
case $to in
  /*) ;;
  *) to=./$to ;;
esac
[ ! -e "$to" ] && [ ! -L "$to" ] || fail 6 "$to exists already; name a directory that does not exist"
parent=${to%/*}
[ -d "${parent:-/}" ] || fail 7 "${parent:-/} is not a directory"

# Everything happens in here, on the file system of DIRECTORY, until one rename.
work=$parent/.plugferry-install-$$
mkdir -m 700 "$work" 2>/dev/null || fail 7 "$work cannot be made"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# limited BLOCKS PROGRAM...: it can write files of BLOCKS of 512 bytes (in some shells, of 1024), and work for so long.
patience=600
limited() {
  (
    # Beyond the limit, writing fails, and the program says so and ends.
    trap '' XFSZ
    ulimit -f "$1" || :
    ulimit -t "$patience" || :
    shift
    exec "$@"
  ) 2>/dev/null
}
# size_of FILE: its bytes.
size_of() { printf '%s' $(($(wc -c <"$1"))); }
is_hex64() {
  [ ${#1} -eq 64 ] || return 1
  case $1 in *[!0-9a-f]*) return 1 ;; esac
}
# sum_of FILE: its SHA-256. What is read from stdin is called -, whatever its name.
sum_of() {
  sum=$(limited 8 sha256sum <"$1") || fail 7 "$1 cannot be read"
  sum=${sum%% *}
  is_hex64 "$sum" || fail 7 'sha256sum does not print a SHA-256'
}

# read_key FILE NAME: $work/NAME.pem in its one spelling; $algorithm and $key_id. The same keys as of plugferry: ECDSA P-256
# with the curve by name and the point in full, or Ed25519 with a point that is not of small order.
read_key() {
  [ "$(size_of "$1")" -le 65536 ] || fail 2 "$1 is too large for a public key"
  [ "$(tr -cd '\t\n\r -~' <"$1" | wc -c)" -eq "$(size_of "$1")" ] || fail 2 "$1 is not one public key in PEM"
  body=$(awk '
    { sub(/\r$/, "") }
    !inside && /^[ \t]*$/ { next }
    !inside && $0 == "-----BEGIN PUBLIC KEY-----" && !begun { begun = inside = 1; next }
    inside && $0 == "-----END PUBLIC KEY-----" { inside = 0; next }
    !inside || last || /[^A-Za-z0-9+\/=]/ || (!length($0) && body != "") { wrong = 1; next }
    { body = body $0; last = length($0) && length($0) != 64 }
    END { if (!wrong && !inside) print body }' <"$1") || body=
  [ -n "$body" ] || fail 2 "$1 is not one public key in PEM"
  case ${#body}:$body in
    124:MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE*[AQgw]==) algorithm=ecdsa ;;
    60:MCowBQYDK2VwAyEA*[AEIMQUYcgkosw048]=) algorithm=ed25519 ;;
    *) fail 2 "$1 is neither an ECDSA P-256 nor an Ed25519 key in its usual form" ;;
  esac
  case ${body#MCowBQYDK2VwAyEA} in
    AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA[AI][AI]= | AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA[AI][AI]= | \
    [789+/][Pfv/]//////////////////////////////////////[3/]8= | \
    JuiVj8KyJ7BFw/SJ8u+Y8NXfrAXTxjM5sTgCiG1T/[AI][UI]= | xxdqcD1N2E+6PAt2DRBnDyogU/osOczGTsf9d5KsA[3/]o=)
      fail 2 "$1 is a key of small order, for which anybody can sign, or no point in its one spelling" ;;
  esac
  {
    printf '%s\n' '-----BEGIN PUBLIC KEY-----'
    printf '%s\n' "$body" | fold -w 64
    printf '%s\n' '-----END PUBLIC KEY-----'
  } >"$work/$2.pem"
  limited 8 openssl pkey -pubin -in "$work/$2.pem" -outform DER >"$work/$2.der" || fail 2 "$1 is not a public key"
  sum_of "$work/$2.der"
  key_id=$sum
}
# signed_by NAME ALGORITHM SIGNATURE FILE: whether the key signed the file.
signed_by() {
  if [ "$2" = ecdsa ]; then
    # The longest there is; openssl does not look at what follows it.
    [ "$(size_of "$3")" -le 72 ] || return 1
    limited 8 openssl dgst -sha256 -verify "$work/$1.pem" -signature "$3" "$4" >/dev/null
  else
    limited 8 openssl pkeyutl -verify -pubin -inkey "$work/$1.pem" -rawin -in "$4" -sigfile "$3" >/dev/null
  fi
}
read_key "$file_key" file
file_algorithm=$algorithm file_key_id=$key_id
read_key "$key" manifest

name=${bundle##*/}
[ "$name" = "$(printf '%s' "$name" | tr -d '\000-\037\177\\')" ] ||
  fail 2 "$bundle has a name that no digest file can hold; rename it as it was called where it was made"

# 1. The file, as a whole, before anything in it is looked at. First the signature, over the exact bytes of the digest file;
# then that has to be, byte by byte, what sha256sum prints for this file: nothing of it is used.
for each in sha256 sha256.sig; do
  [ -f "$bundle.$each" ] && [ -r "$bundle.$each" ] || fail 4 \
    "$bundle.$each is missing: the digest of the bundle and its signature must lie beside it" \
    'Whoever made or signed the bundle last makes them with "--sign-file" (of export, sign or convert).'
  limited 4 cat <"$bundle.$each" >"$work/$each" || fail 3 "$bundle.$each is too large for what it should be"
done
signed_by file "$file_algorithm" "$work/sha256.sig" "$work/sha256" || fail 4 \
  "$bundle.sha256.sig is not by this key ($file_key_id) over $bundle.sha256" \
  'Did another than the one of --public-key countersign or convert the bundle? Their key goes with --file-key.'
size=$(size_of "$bundle")
[ "$size" -le 1108101562368 ] || fail 3 "$bundle is larger than a bundle can be"
patience=$((600 + size / 1000000))
sum_of "$bundle"
file_sum=$sum
printf '%s  %s\n' "$file_sum" "$name" >"$work/text"
printf '%s *%s\n' "$file_sum" "$name" >"$work/binary"
sum_of "$work/sha256" && found=$sum
sum_of "$work/text" && expected=$sum
sum_of "$work/binary"
[ "$found" = "$expected" ] || [ "$found" = "$sum" ] || fail 3 \
  "$bundle is not the file that $bundle.sha256 is of: it was changed or renamed on the way"
# A copy that nobody changes under us.
limited $((size / 512 + 1)) cat <"$bundle" >"$work/bundle.gz" || fail 7 "$bundle cannot be copied to $work"
sum_of "$work/bundle.gz"
[ "$sum" = "$file_sum" ] || fail 3 "$bundle changed while it was read"
# Some gzips do not tell of what stands behind the last member. One more member, which nobody can have foreseen, comes out at
# the end only where nothing does.
printf '%s' "$file_sum" | limited 8 gzip -c >"$work/mark.gz" || fail 7 "$work cannot be written to"
cat <"$work/mark.gz" >>"$work/bundle.gz" || fail 7 "$work is full"

# 2. The head of the archive: the manifest and its signature.
# unzip BLOCKS FILE: the archive, or its first BLOCKS.
unzip() { limited "$1" gzip -dc <"$work/bundle.gz" >"$2"; }
dd bs=10 count=1 if="$work/bundle.gz" of="$work/magic" 2>/dev/null
sum_of "$work/magic"
# The ten bytes with which every bundle begins: 1f 8b 08, no flags, no time, 00, 03.
[ "$sum" = 9d1011ce9a9221ec2cbde2cc63ce50401fda24a6ffbf96a97b55552cc9e035e3 ] || fail 3 "$bundle is no bundle in .tar.gz"
# A manifest of at most 4 MiB and up to 16 signatures.
unzip 8260 "$work/head.tar" || :
# field OFFSET LENGTH: these bytes of the head, where NUL is | and what cannot be printed is ?.
field() {
  dd bs=1 skip="$1" count="$2" if="$work/head.tar" 2>/dev/null | tr '\000|' '|?' | tr -c ' -~' '?'
}
# piece FILE BLOCK SIZE: SIZE bytes of FILE from its block BLOCK on.
piece() {
  {
    dd bs=512 skip="$2" count=$(($3 / 512))
    [ $(($3 % 512)) -eq 0 ] || dd bs=$(($3 % 512)) count=1
  } <"$1" 2>/dev/null
}
# entry BLOCK: $entry and $size of the header there.
entry() {
  entry=$(field $(($1 * 512)) 100)
  entry=${entry%%|*}
  prefix=$(field $(($1 * 512 + 345)) 155)
  prefix=${prefix%%|*}
  [ -z "$prefix" ] || entry=$prefix/$entry
  size=$(field $(($1 * 512 + 124)) 12)
  size=${size%[| ]}
  size=${size%[| ]}
  case $size in '' | *[!0-7]*) entry= ;; *) size=$((0$size)) ;; esac
}
no_bundle() { fail 3 "$bundle is no bundle, or it is damaged: $1"; }
entry 0
[ "$entry" = manifest.json ] && [ "$size" -ge 2 ] && [ "$size" -le 4194304 ] || no_bundle 'it does not begin with a manifest'
piece "$work/head.tar" 1 "$size" >"$work/manifest"
[ "$(size_of "$work/manifest")" = "$size" ] || no_bundle 'its manifest is cut off'
printf '0 %s - manifest.json\n' "$size" >"$work/plan"
block=$((1 + (size + 511) / 512)) signatures=0
: >"$work/signature"
while
  entry "$block"
  case $entry in signatures/*) ;; *) false ;; esac
do
  hex=${entry#signatures/}
  is_hex64 "${hex%.sig}" && [ "$hex" != "${hex%.sig}" ] && [ "$size" -ge 1 ] && [ "$size" -le 128 ] || no_bundle 'a signature'
  signatures=$((signatures + 1))
  [ "$signatures" -le 16 ] || no_bundle 'more than 16 signatures'
  [ "${hex%.sig}" != "$key_id" ] || piece "$work/head.tar" $((block + 1)) "$size" >"$work/signature"
  printf '%s %s - %s\n' "$block" "$size" "$entry" >>"$work/plan"
  block=$((block + 2))
done
[ -s "$work/signature" ] || fail 4 "$bundle is not signed by this key ($key_id)"
# Nothing of the manifest is looked at before this.
signed_by manifest "$algorithm" "$work/signature" "$work/manifest" ||
  fail 4 "the signature in $bundle is not by this key ($key_id) over this manifest"

# 3. The manifest: JSON in one fixed spelling, with the keys and the rules of the format (schemas/README.md, 1.3).
[ "$(tr -cd '\n -~' <"$work/manifest" | sha256sum)" = "$(sha256sum <"$work/manifest")" ] ||
  fail 3 'the manifest is not plain text in ASCII'
size=$(size_of "$work/manifest")
[ -z "$(dd bs=1 skip=$((size - 1)) count=1 if="$work/manifest" 2>/dev/null)" ] || fail 3 'the manifest does not end with a line feed'
now=$(date -u +%s)
mkdir "$work/facts"
PLUGFERRY_WORK=$work
export PLUGFERRY_WORK
# shellcheck disable=SC2016
limited 65536 awk -v now="$now" -v block="$block" -v wanted="$audience" '
# One line is one value, two blanks a level. Each kind: o object, a list, s text, n number, and its most items; ! is needed.
BEGIN {
  facts = ENVIRON["PLUGFERRY_WORK"] "/facts"
  split("type:s! set:s! epoch:n! sequence:n! audience:a32! audience[]:s createdAt:s! expiresAt:s tool:s! totalSize:n! " \
    "plugins:a5000! plugins[]:o plugins[].name:s! plugins[].version:s! plugins[].source:o! plugins[].source.kind:s! " \
    "plugins[].source.reference:s! plugins[].source.digest:s! plugins[].wasm:o! plugins[].wasm.abi:a16! " \
    "plugins[].wasm.abi[]:s plugins[].wasm.start:a2! plugins[].wasm.start[]:s plugins[].wasm.toolchain:s " \
    "plugins[].wasm.imports:a256! plugins[].wasm.imports[]:o plugins[].wasm.imports[].module:s! " \
    "plugins[].wasm.imports[].names:a4096! plugins[].wasm.imports[].names[]:s plugins[].wasm.exports:a4096! " \
    "plugins[].wasm.exports[]:s resources:a2000 resources[]:o resources[].name:s! resources[].variables:a1000! " \
    "resources[].variables[]:s files:a10000! files[]:o files[].path:s! files[].size:n! files[].sha256:s! files[].md5:s! " \
    "files[].sameAs:s", schema, " ")
  for (each in schema) {
    place = schema[each]; rule = place
    sub(/:.*/, "", place); sub(/^.*:/, "", rule)
    kind[place] = substr(rule, 1, 1)
    if (rule ~ /!$/) { parent = place; if (!sub(/\.[^.]*$/, "", parent)) parent = ""; needed[place] = 1; needs[parent]++ }
    sub(/!$/, "", rule)
    most[place] = substr(rule, 2) + 0
  }
}
function refuse(code, why) {
  if (!refused) print code " " why > (facts "/verdict")
  refused = 1
  exit 1
}
function wrong(why) { refuse(3, "line " NR " of the manifest: " why) }
function device(name) { return tolower(name) ~ /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/ }
function hex(text, count) { return length(text) == count && text !~ /[^0-9a-f]/ }
function name_of_set(text) { return length(text) <= 63 && text ~ /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/ }
function plugin_name(text) { return name_of_set(text) && text !~ /\.\./ && !device(text) }
function plugin_version(text) {
  return length(text) <= 64 && text ~ /^[A-Za-z0-9_]([A-Za-z0-9._+-]*[A-Za-z0-9_+-])?$/ && text !~ /\.\./ && !device(text)
}
function resource_name(text) {
  return length(text) <= 95 && text ~ /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/ && !device(text)
}
# Whole numbers are compared as text: some awks count in 32 bits, none beyond 2^53.
function number(text, largest) {
  return length(text) < length(largest) || (length(text) == length(largest) && text "" <= largest "")
}
# Seconds since 1970.
function seconds(time,   y, m, d, h, i, s, last) {
  if (length(time) != 20 || time !~ /^[0-9]+-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z$/) wrong("no time")
  y = substr(time, 1, 4) + 0; m = substr(time, 6, 2) + 0; d = substr(time, 9, 2) + 0
  h = substr(time, 12, 2) + 0; i = substr(time, 15, 2) + 0; s = substr(time, 18, 2) + 0
  last = m == 2 ? ((y % 4 == 0 && y % 100 != 0) || y % 400 == 0 ? 29 : 28) : (m == 4 || m == 6 || m == 9 || m == 11 ? 30 : 31)
  if (m < 1 || m > 12 || d < 1 || d > last || h > 23 || i > 59 || s > 59) wrong("a time that there is not")
  if (m <= 2) { m += 12; y-- }
  return (((365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * (m - 3) + 2) / 5) + d - 719469) * 24 + h) * 60 + i) * 60 + s
}
function take(place, value) {
  if (kind[place] == "n") {
    if (place == "files[].size" ? !number(value, "268435456") : !number(value, place == "totalSize" ? "1099511627776" : "9007199254740991"))
      wrong("a number that is too large")
  } else if (length(value) > 1024) wrong("a text that is too long")
  if (place == "type") {
    if (value !~ /^plugferry\.bundle\/v[0-9]+$/ || NR != 2) wrong("no type of a bundle")
    if (value != "plugferry.bundle/v1") refuse(5, "this is a bundle of another format (" value ")")
  }
  else if (place == "set") { if (!name_of_set(value)) wrong("no name of a set"); set = value }
  else if (place == "sequence") sequence = value
  else if (place == "epoch") epoch = value
  else if (place == "audience[]") {
    if (!name_of_set(value) || (value in audience)) wrong("no name of an environment, or twice")
    audience[value] = 1; environments = environments " " value
  }
  else if (place == "createdAt") { created = value; created_time = seconds(value) }
  else if (place == "expiresAt") { expires = value; expires_time = seconds(value) }
  else if (place == "totalSize") total = value
  else if (place == "plugins[].name") plugin = value
  else if (place == "plugins[].version") version = value
  else if (place == "plugins[].source.digest") { if (value !~ /^sha256:/ || !hex(substr(value, 8), 64)) wrong("no digest") }
  else if (place == "plugins[].wasm.start[]") { if (value != "_initialize" && value != "_start") wrong("no start function"); ascend(place, value) }
  else if (place == "plugins[].wasm.imports[].module") {
    if (value == last_of[place]) wrong("a module twice")
    ascend(place, value)
  }
  else if (place ~ /^plugins\[\]\.wasm\..*\[\]$/) ascend(place, value)
  else if (place == "resources[].name") resource = value
  else if (place == "resources[].variables[]") {
    if (value !~ /^[A-Z_][A-Z0-9_]*$/ || length(value) > 128 || value "" <= variable "") wrong("no name of a variable, or in another order")
    variable = value
  }
  else if (place == "files[].path") path = value
  else if (place == "files[].size") size = value
  else if (place == "files[].sha256") { if (!hex(value, 64)) wrong("no SHA-256"); sha256 = value }
  else if (place == "files[].md5") { if (!hex(value, 32)) wrong("no MD5"); md5 = value }
  else if (place == "files[].sameAs") same = value
}
function ascend(place, value) {
  if (value "" < last_of[place] "") wrong("not in ascending order")
  last_of[place] = value
}
# An object or list begins: what was said in the one before is not said in this one.
function start(place,   each) {
  if (place == "files[]") same = ""
  else if (place == "resources[].variables") variable = ""
  else if (place ~ /^plugins\[\]\.wasm\.[a-z]*$/ || place ~ /names$/)
    for (each in last_of) if (index(each, place) == 1) delete last_of[each]
}
# An object or list has ended.
function finish(place) {
  if (kind[place] != "a" && held[depth] != needs[place] + 0) wrong("a key is missing before it")
  if (place == "plugins[]") {
    if (!plugin_name(plugin) || !plugin_version(version)) wrong("a plugin of a name that is not allowed")
    if (plugins && (plugin "" < last_plugin "" || (plugin == last_plugin && version "" <= last_version "")))
      wrong("a plugin twice, or in another order")
    last_plugin = plugin; last_version = version
    expect_plugin[++plugins] = "plugins/" plugin "/" version "/"
  } else if (place == "resources[]") {
    if (!resource_name(resource) || (resources && resource "" <= last_resource "")) wrong("a resource of a name that is not allowed, or in another order")
    last_resource = resource
    expect_resource[++resources] = "resources/wasmplugins/" resource ".yaml"
  } else if (place == "files[]") {
    files++
    f_path[files] = path; f_size[files] = size; f_sha256[files] = sha256; f_md5[files] = md5; f_same[files] = same
    if (path in by_path) wrong("a path twice")
    if (same != "") {
      first = (same in by_path) ? by_path[same] : 0
      if (!first || path !~ /\/plugin\.wasm$/ || f_same[first] != "" || length(same) > 100 || f_size[first] != size || f_sha256[first] != sha256 || f_md5[first] != md5)
        wrong("a file that is not the same as the one it names")
    }
    if (path ~ /\/plugin\.wasm$/) {
      if (module_of[sha256] != same) wrong("a module that does not say which earlier one it is the same as")
      if (same == "" && length(path) <= 100) module_of[sha256] = path
    }
    by_path[path] = files
  }
}
NR == 1 { if ($0 != "{") wrong("no JSON"); depth = 1; at[1] = ""; kind[""] = "o"; serial[1] = ++objects; next }
{
  if (!depth) wrong("more than one value")
  if (length($0) > 2300) wrong("too long")
  match($0, /^ */)
  blanks = RLENGTH
  text = substr($0, blanks + 1)
  if (text ~ /^[]}],?$/) {
    if (blanks != 2 * depth - 2 || !count[depth] || comma[depth]) wrong("no end of anything")
    if (substr(text, 1, 1) != (kind[at[depth]] == "a" ? "]" : "}")) wrong("no end of that")
    finish(at[depth])
    count[depth] = 0; held[depth] = 0
    depth--
    comma[depth] = length(text) == 2
    if (!depth && comma[0]) wrong("something follows")
    next
  }
  if (blanks != 2 * depth) wrong("no value where one should be")
  if (count[depth] && !comma[depth]) wrong("no comma before it")
  count[depth]++
  if (kind[at[depth]] == "a") {
    place = at[depth] "[]"
    if (count[depth] > most[at[depth]]) wrong("too many")
  } else {
    if (!match(text, /^"[A-Za-z0-9]+": /)) wrong("no key")
    word = substr(text, 2, RLENGTH - 4)
    text = substr(text, RLENGTH + 1)
    place = (at[depth] == "" ? "" : at[depth] ".") word
    if (seen[depth, word] == serial[depth]) wrong("a key twice")
    seen[depth, word] = serial[depth]
    held[depth] += (place in needed)
  }
  if (!(place in kind) || place == "") wrong("a key that the format does not have")
  if (text == "{" || text == "[") {
    if (kind[place] != (text == "{" ? "o" : "a")) wrong("another kind of value than it should be")
    depth++
    at[depth] = place; count[depth] = 0; held[depth] = 0; comma[depth] = 0; serial[depth] = ++objects
    start(place)
    next
  }
  comma[depth] = sub(/,$/, "", text)
  if (kind[place] == "a") { if (text != "[]" || place == "resources") wrong("no list") }
  else if (kind[place] == "n") { if (text !~ /^(0|[1-9][0-9]*)$/) wrong("no whole number"); take(place, text) }
  else if (kind[place] == "s") {
    if (text !~ /^"([^"\\]|\\["\\])*"$/) wrong("no text")
    text = substr(text, 2, length(text) - 2)
    if (index(text, "\\")) gsub(/\\["\\]/, "x", text)
    take(place, text)
  } else wrong("no object")
}
# The checksum files hold nothing that the manifest does not say.
function list(digests, file,   i, bytes) {
  bytes = 0
  for (i = 3; i <= files; i++) {
    print digests[i] "  " f_path[i] > (facts "/" file)
    bytes += length(digests[i]) + length(f_path[i]) + 3
  }
  close(facts "/" file)
  return bytes
}
END {
  if (refused) exit 1
  if (NR < 2 || depth) wrong("it ends too early")
  expected = 0
  want[++expected] = "checksums.md5"
  want[++expected] = "checksums.sha256"
  for (i = 1; i <= resources; i++) want[++expected] = expect_resource[i]
  for (i = 1; i <= plugins; i++) {
    want[++expected] = expect_plugin[i] "metadata.txt"
    want[++expected] = expect_plugin[i] "plugin.wasm"
  }
  if (!plugins || files != expected) wrong("not as many files as its plugins have")
  sum = 0; texts = 0
  for (i = 1; i <= files; i++) {
    if (f_path[i] != want[i]) wrong("file " i " is not the one that its plugins and resources ask for")
    if (tolower(f_path[i]) in folded) wrong("two paths that differ in case only")
    folded[tolower(f_path[i])] = 1
    sum += f_size[i]
    if (f_path[i] ~ /^resources\//) {
      texts += f_size[i]
      if (f_size[i] + 0 > 1048576 || texts > 67108864) wrong("resources that are too large")
    }
  }
  if (sprintf("%.0f", sum) != total) wrong("totalSize is not the sum of its files")
  if (list(f_md5, "checksums.md5") != f_size[1] || list(f_sha256, "checksums.sha256") != f_size[2]) wrong("checksum files of another size")
  print f_sha256[1] "  checksums.md5\n" f_sha256[2] "  checksums.sha256" > (facts "/lists")
  for (i = 1; i <= files; i++) {
    print sprintf("%.0f", block), f_size[i], (f_same[i] == "" ? "-" : f_same[i]), f_path[i], f_md5[i] > (facts "/plan")
    print f_sha256[i] "  " f_path[i] > (facts "/sums")
    block += 1 + (f_same[i] == "" ? int((f_size[i] + 511) / 512) : 0)
  }
  if (created_time > now + 86400) refuse(4, "the bundle says it was made in the future (" created "); check the clock")
  if (expires != "" && expires_time + 0 < now + 0) refuse(4, "the bundle could be imported until " expires "; ask for a new one")
  if (!number(epoch, "10000")) refuse(4, "the bundle is of epoch " epoch ", the highest is 10000")
  highest = sprintf("%.0f", now + 10 * 31557600)
  if (!number(sequence, highest)) refuse(4, "sequence " sequence " is higher than " highest ", which is 10 years ahead of the clock in seconds")
  if (wanted != "" && !(wanted in audience)) refuse(4, "the bundle is not meant for " wanted " but for" (environments == "" ? " nobody in particular" : environments))
  print "0", sprintf("%.0f", block), files, set, sequence, (created (environments == "" ? "" : ", meant for" environments)) > (facts "/verdict")
}' "$work/manifest" || :
[ -f "$work/facts/verdict" ] || fail 3 'the manifest could not be read'
read -r code rest <"$work/facts/verdict"
[ "$code" = 0 ] || fail "$code" "$rest"
[ -s "$work/facts/sums" ] && [ -s "$work/facts/plan" ] || fail 7 "$work cannot be written to"
# shellcheck disable=SC2086
set -- $rest
blocks=$1 count=$2 set=$3 sequence=$4
shift 4
created=$*
(cd "$work/facts" && limited 8 sha256sum -c lists >/dev/null) || fail 3 'the manifest names checksum files that do not list its files'
cat "$work/facts/plan" >>"$work/plan"

# 4. The whole archive, no larger than what was signed can make it: two blocks of zeros end it, and fill it up to 10 KiB.
most=$(((blocks + 2 + 19) / 20 * 20))
unzip $((most + 1)) "$work/bundle.tar" || {
  if [ "$(size_of "$work/bundle.tar")" -lt $((most * 512)) ] && limited 8 gzip -t <"$work/bundle.gz"; then
    fail 7 "$work is full"
  fi
  fail 3 "$bundle cannot be decompressed: it is damaged, or larger than its manifest says"
}
rm "$work/bundle.gz" "$work/head.tar"
# Each header is what the manifest says, in the one form that schemas/README.md (1.2) allows, and stands where the sizes
# before it put it; and modules begin as such, and each metadata.txt speaks of its module. NUL is | here, a line feed `, a
# carriage return ^, the byte 1 ~, and what else cannot be printed is ?, as are these four: they stand in nothing that is compared.
tr '\000\001\n\r|`^~' '|~`^????' <"$work/bundle.tar" | tr -c ' -~' '?' | fold -w 512 |
  limited 8 awk -v blocks="$blocks" -v most="$most" -v mark="$file_sum" '
BEGIN {
  for (i = 32; i < 127; i++) value[sprintf("%c", i)] = i
  zeros = "|"
  while (length(zeros) < 512) zeros = zeros zeros
}
function wrong(why) {
  if (!refused) print (next_entry in path ? path[next_entry] : "the end") ": " why
  refused = 1
  exit 1
}
function octal(offset, width,   text, i, sum) {
  text = substr($0, offset + 1, width)
  if (text !~ /^[0-7][0-7][0-7][0-7][0-7][0-7]+[ |][ |]?$/) wrong("a number that is not plain octal")
  sum = 0
  for (i = 1; i <= width; i++) if (index("01234567", substr(text, i, 1))) sum = sum * 8 + substr(text, i, 1)
  return sum
}
function name(offset, width,   text) {
  text = substr($0, offset + 1, width)
  sub(/\|+$/, "", text)
  if (index(text, "|")) wrong("bytes behind the end of a name")
  return text
}
function zero(offset, width) { return substr($0, offset + 1, width) == substr(zeros, 1, width) }
# Two dialects, as the field has them, in lines that end in one way or the other; the last one may have no end.
function describes(text, module,   parts, line, time) {
  split(path[module], parts, "/")
  gsub(/\^`/, "`", text)
  sub(/`$/, "", text)
  time = ": [0-9][0-9][0-9][0-9]-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9][0-9][0-9][0-9][0-9][0-9])?$"
  return split(text, line, "`") == 5 &&
    (line[1] == "Plugin Name: " parts[2] || line[1] == "File: " parts[2] ":" parts[3]) &&
    line[2] == "Size: " size_of[module] " bytes" && line[3] ~ ("^Last Modified" time) && line[4] ~ ("^Created" time) &&
    line[5] == "MD5: " md5[module]
}
# A block of the body of an entry, or its header where it has none.
function body(module) {
  module = path[next_entry] ~ /\/plugin\.wasm$/
  if (module && same[next_entry] == "-" && (length_of[next_entry] < 8 || (number == at[next_entry] + 1 && substr($0, 1, 8) != "|asm~|||")))
    wrong("no WebAssembly module")
  if (path[next_entry] !~ /\/metadata\.txt$/) return
  if (length_of[next_entry] > 65536) wrong("larger than such a file is")
  text = number == at[next_entry] ? "" : text $0
  if (number == last[next_entry] && !describes(substr(text, 1, length_of[next_entry]), next_entry + 1))
    wrong("not five lines that speak of the module beside it")
}
function header(   sum, bytes, i, prefix, size, link) {
  if (index($0, "?")) wrong("no header")
  if (substr($0, 258, 8) != "ustar|00") wrong("no plain ustar")
  bytes = substr($0, 1, 148) substr($0, 157)
  gsub(/\|/, "", bytes)
  sum = 256
  for (i = 1; i <= length(bytes); i++) sum += value[substr(bytes, i, 1)]
  if (octal(148, 8) != sum) wrong("a header with a wrong checksum")
  if (octal(100, 8) > 4095) wrong("a mode that says more than permissions")
  octal(108, 8); octal(116, 8); octal(136, 12); octal(329, 8); octal(337, 8)
  if (!zero(265, 64) || !zero(500, 12)) wrong("bytes in a field that is not used")
  prefix = name(345, 155)
  if ((prefix == "" ? "" : prefix "/") name(0, 100) != path[next_entry]) wrong("another name")
  size = octal(124, 12)
  link = name(157, 100)
  if (same[next_entry] == "-" ? substr($0, 157, 1) != "0" || link != "" || size != length_of[next_entry] : substr($0, 157, 1) != "1" || link != same[next_entry] || size != 0)
    wrong("another kind of entry, another size or another link")
}
FNR == NR {
  at[++entries] = $1 + 0
  same[entries] = $3
  path[entries] = $4
  md5[entries] = $5
  size_of[entries] = $2
  if ($4 ~ /^signatures\// && path[entries - 1] ~ /^signatures\// && $4 "" <= path[entries - 1] "") {
    next_entry = entries
    wrong("another order")
  }
  length_of[entries] = $2 + 0
  rest[entries] = $3 == "-" ? $2 % 512 : 0
  last[entries] = $1 + ($3 == "-" ? int(($2 + 511) / 512) : 0)
  next_entry = 1
  next
}
{
  if (marked) wrong("something follows")
  if ($0 == mark) { marked = 1; next }
  number = FNR - 1
  if (length($0) != 512) wrong("half a block")
  if (next_entry > entries) { if ($0 != zeros) wrong("something follows"); next }
  if (number == at[next_entry]) header()
  body()
  if (number == last[next_entry]) {
    if (rest[next_entry] && number > at[next_entry] && !zero(rest[next_entry], 512 - rest[next_entry])) wrong("padding that is not zero")
    next_entry++
  }
}
END {
  if (refused) exit 1
  if (next_entry <= entries || number + 1 < blocks + 2) wrong("the archive is cut off")
  if (number + 1 > most || !marked) wrong("something follows")
  print "fits"
}' "$work/plan" - >"$work/fit" || :
fit=
IFS= read -r fit <"$work/fit" || :
[ "$fit" = fits ] || fail 3 "the bundle does not hold what its manifest says, in that order: ${fit:-it cannot be read}"

# 5. The files.
mkdir "$work/tree"
cannot_write() { fail 7 "$1 cannot be unpacked to $work"; }
ulimit -f $((most + 1)) || :
while read -r block size same path _; do
  directory=$work/tree/${path%/*}
  [ "${path%/*}" = "$path" ] || [ -d "$directory" ] || mkdir -p "$directory" || cannot_write "$path"
  if [ "$same" = - ]; then
    piece "$work/bundle.tar" $((block + 1)) "$size" >"$work/tree/$path" || cannot_write "$path"
  else
    cat <"$work/tree/$same" >"$work/tree/$path" || cannot_write "$path"
  fi
done <"$work/facts/plan"
(cd "$work/tree" && limited "$most" sha256sum -c ../facts/sums) >"$work/report" || {
  while IFS= read -r line; do
    case $line in *': OK') ;; *) say "install.sh: $line" >&2 ;; esac
  done <"$work/report"
  fail 3 'a file is not what was signed; nothing was installed'
}
mv "$work/manifest" "$work/tree/manifest.json"
mkdir "$work/tree/signatures"
mv "$work/signature" "$work/tree/signatures/$key_id.sig"

if command -v sync >/dev/null 2>&1; then sync; fi
[ ! -e "$to" ] && [ ! -L "$to" ] || fail 6 "$to appeared meanwhile; nothing was installed"
mv "$work/tree" "$to" || fail 7 "$to cannot be made"
if [ -e "$to/tree" ]; then
  # Somebody made the directory in the last moment, and ours went into it.
  rm -rf "$to/tree"
  fail 6 "$to appeared meanwhile; nothing was installed"
fi
say "INSTALLED: $count files of set $set, sequence $sequence, created $created"
say "signed by: $key_id"
[ "$file_key_id" = "$key_id" ] || say "file by: $file_key_id"
say "in: $to"
