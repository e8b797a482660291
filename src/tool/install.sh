#!/bin/sh
# Checks a Plugferry bundle (.tar.gz) and unpacks its plugins where there is no Node.js.
#
#   sh install.sh BUNDLE.tar.gz --public-key KEY.pub --to DIRECTORY
#
# KEY.pub is the public key of whoever signed the bundle. It must have come to you by another way than the bundle; nothing
# that lies beside the bundle is used as a key. DIRECTORY must not exist; it appears complete, or not at all.
#
# Needs sh, tar, gzip, openssl 3 (1.1.1 for ECDSA keys), and sha256sum, date, mkdir, mv, rm of coreutils or busybox.
# Exit codes: 0 done, 2 wrong usage, 3 damaged, 4 not signed by this key or out of date, 6 DIRECTORY exists, 7 cannot write.
#
# SPDX-License-Identifier: Apache-2.0
set -euf
umask 022
unset IFS TAR_OPTIONS GZIP CDPATH OPENSSL_CONF
LC_ALL=C
export LC_ALL

fail() {
  code=$1
  shift
  printf 'install.sh: %s\n' "$@" >&2
  exit "$code"
}

usage='usage: sh install.sh BUNDLE.tar.gz --public-key KEY.pub --to DIRECTORY'
bundle= key= to=
while [ $# -gt 0 ]; do
  case $1 in
    --public-key | --to)
      [ $# -ge 2 ] && [ -n "$2" ] || fail 2 "$1 needs a value" "$usage"
      if [ "$1" = --to ]; then
        [ -z "$to" ] || fail 2 'give --to only once' "$usage"
        to=$2
      else
        [ -z "$key" ] || fail 2 'give --public-key only once' "$usage"
        key=$2
      fi
      shift 2
      ;;
    -h | --help)
      printf '%s\n' "$usage"
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
for tool in tar gzip openssl sha256sum date mkdir mv rm; do
  command -v "$tool" >/dev/null 2>&1 || fail 2 "$tool is needed, and not in PATH"
done
[ -f "$bundle" ] || fail 2 "$bundle is not a file"
[ -f "$key" ] || fail 2 "$key is not a file"

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
mkdir -m 700 "$work" || fail 7 "$work cannot be made"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The key, as openssl reads it: a private key or a certificate is none.
openssl pkey -pubin -pubout <"$key" >"$work/key" 2>/dev/null || fail 2 "$key is not a public key in PEM"
case $(openssl pkey -pubin -in "$work/key" -noout -text 2>/dev/null) in
  *prime256v1*) algorithm=ecdsa ;;
  *ED25519*) algorithm=ed25519 ;;
  *) fail 2 "$key is neither an ECDSA P-256 nor an Ed25519 key" ;;
esac
keyid=$(openssl pkey -pubin -in "$work/key" -outform DER | sha256sum)
keyid=${keyid%% *}

is_hex64() {
  [ ${#1} -eq 64 ] || return 1
  case $1 in *[!0-9a-f]*) return 1 ;; esac
}
is_hex64 "$keyid" || fail 2 'sha256sum does not print a SHA-256'

# unzip BLOCKS FILE: the archive, or its first BLOCKS of 512 bytes (in some shells, of 1024).
unzip() {
  (
    # Beyond the limit, writing fails; gzip says so and ends.
    trap '' XFSZ
    ulimit -f "$1" || :
    gzip -dc <"$bundle" >"$2"
  ) 2>/dev/null
}
# The head alone: a manifest of at most 4 MiB and up to 16 signatures. Here and below the bytes of an entry go to a file that we
# name, whatever the archive says it is and is called: tar itself creates nothing.
unzip 8260 "$work/head.tar" || :
signature=signatures/$keyid.sig
tar -xOf "$work/head.tar" manifest.json >"$work/manifest" 2>/dev/null || :
[ -s "$work/manifest" ] || fail 3 "$bundle is no bundle in .tar.gz, or it is damaged"
tar -xOf "$work/head.tar" "$signature" >"$work/signature" 2>/dev/null || :
[ -s "$work/signature" ] || fail 4 "$bundle is not signed by this key ($keyid)"

# Nothing of the manifest is looked at before this.
if [ "$algorithm" = ecdsa ]; then
  openssl dgst -sha256 -verify "$work/key" -signature "$work/signature" "$work/manifest" >/dev/null 2>&1
else
  openssl pkeyutl -verify -pubin -inkey "$work/key" -rawin -in "$work/manifest" -sigfile "$work/signature" \
    >/dev/null 2>&1
fi || fail 4 "the signature in $bundle is not by this key ($keyid) over this manifest"

# The manifest is JSON with one fixed spelling: one value a line, two blanks a level.
malformed() { fail 3 "the manifest has a line that this program does not know: $1"; }
value() {
  line_value=${line#*'": "'}
  line_value=${line_value%,}
  line_value=${line_value%'"'}
}
# Names that are safe on every file system that a bundle may pass. The rules are those of the format.
safe_name() {
  [ ${#1} -ge 1 ] && [ ${#1} -le 64 ] || return 1
  case $1 in
    *[!A-Za-z0-9._+-]* | *..* | *. | [!A-Za-z0-9_]*) return 1 ;;
    [cC][oO][nN] | [pP][rR][nN] | [aA][uU][xX] | [nN][uU][lL]) return 1 ;;
    [cC][oO][nN].* | [pP][rR][nN].* | [aA][uU][xX].* | [nN][uU][lL].*) return 1 ;;
    [cC][oO][mM][0-9] | [lL][pP][tT][0-9] | [cC][oO][mM][0-9].* | [lL][pP][tT][0-9].*) return 1 ;;
  esac
}
safe_path() {
  case $1 in
    checksums.md5 | checksums.sha256) return 0 ;;
    plugins/*/*/plugin.wasm | plugins/*/*/metadata.txt) ;;
    resources/*) ;;
    *) return 1 ;;
  esac
  rest=$1/ depth=0 second=
  while [ -n "$rest" ]; do
    safe_name "${rest%%/*}" || return 1
    [ "$depth" -ne 1 ] || second=${rest%%/*}
    rest=${rest#*/} depth=$((depth + 1))
  done
  case $1 in
    plugins/*)
      [ "$depth" -eq 4 ] && [ ${#second} -le 63 ] || return 1
      case $second in *[!a-z0-9._-]* | [!a-z0-9]* | *[!a-z0-9]) return 1 ;; esac
      ;;
    *) [ "$depth" -le 4 ] ;;
  esac
}
mkdir "$work/tree"
: >"$work/paths"
: >"$work/sums"
type= set= sequence= created= expires= in_files=before count=0 blocks=0 path= size= sha256= same=
first=yes
exec 5>"$work/read"
while IFS= read -r line; do
  printf '%s\n' "$line" >&5
  [ -z "$first" ] || [ "$line" = '{' ] || malformed "$line"
  first=
  if [ "$in_files" != yes ]; then
    case $line in
      '  "type": "'*'",') value && type=$line_value ;;
      '  "set": "'*'",') value && set=$line_value ;;
      '  "sequence": '*) sequence=${line#'  "sequence": '} && sequence=${sequence%,} ;;
      '  "createdAt": "'*'",') value && created=$line_value ;;
      '  "expiresAt": "'*'"' | '  "expiresAt": "'*'",') value && expires=$line_value ;;
      '  "files": [') [ "$in_files" = before ] || malformed "$line" && in_files=yes ;;
    esac
    continue
  fi
  case $line in
    '    {') path= size= sha256= same= ;;
    '      "path": "'*'",') value && path=$line_value ;;
    '      "size": '[0-9]*) size=${line#'      "size": '} && size=${size%,} ;;
    '      "sha256": "'*'",') value && sha256=$line_value ;;
    '      "md5": "'*'"' | '      "md5": "'*'",') ;;
    '      "sameAs": "'*'"' | '      "sameAs": "'*'",') value && same=$line_value ;;
    '    }' | '    },')
      safe_path "$path" || fail 3 'the manifest names a file that may not be unpacked'
      [ -z "$same" ] || safe_path "$same" || fail 3 'the manifest names a file that may not be unpacked'
      is_hex64 "$sha256" || malformed "$sha256"
      case $size in '' | *[!0-9]* | ??????????*) malformed "$size" ;; esac
      [ "$size" -le 268435456 ] || fail 3 "$path is larger than any gateway can load"
      printf '%s %s\n' "$path" "$same" >>"$work/paths"
      printf '%s  %s\n' "$sha256" "$path" >>"$work/sums"
      count=$((count + 1))
      blocks=$((blocks + (size + 511) / 512 + 1))
      [ "$count" -le 100000 ] || fail 3 'the manifest names too many files'
      ;;
    '  ]' | '  ],') in_files=after ;;
    *) malformed "$line" ;;
  esac
done <"$work/manifest"
exec 5>&-
# A shell drops some bytes as it reads; what was signed has none of those.
[ "$(sha256sum <"$work/read")" = "$(sha256sum <"$work/manifest")" ] || fail 3 'the manifest is not plain text'
[ "$type" = plugferry.bundle/v1 ] || fail 3 "this is a bundle of another format ($type)"
[ "$in_files" = after ] && [ "$count" -gt 0 ] || fail 3 'the manifest names no files'

# seconds TIME: seconds since 1970 of YYYY-MM-DDTHH:MM:SSZ.
seconds() {
  case $1 in
    [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z) ;;
    *) fail 3 "the manifest has a time that is none: $1" ;;
  esac
  rest=${1%Z}
  s=${rest##*:} rest=${rest%:*}
  i=${rest##*:} rest=${rest%:*}
  h=${rest##*T} rest=${rest%T*}
  d=${rest##*-} rest=${rest%-*}
  m=${rest##*-} y=${rest%-*}
  m=${m#0} d=${d#0} h=${h#0} i=${i#0} s=${s#0}
  if [ "$m" -le 2 ]; then m=$((m + 12)) y=$((y - 1)); fi
  days=$((365 * y + y / 4 - y / 100 + y / 400 + (153 * (m - 3) + 2) / 5 + d - 719469))
  time=$((((days * 24 + h) * 60 + i) * 60 + s))
}
now=$(date -u +%s)
seconds "$created"
[ "$time" -le $((now + 86400)) ] || fail 4 "the bundle says it was made in the future ($created); check the clock"
if [ -n "$expires" ]; then
  seconds "$expires"
  [ "$time" -ge "$now" ] || fail 4 "the bundle could be imported until $expires; ask for a new one"
fi

# The whole archive, no larger than what was signed can make it, in a private file that nobody changes under us.
blocks=$((blocks + 8192 + 17 * 2 + 64))
unzip "$blocks" "$work/bundle.tar" || \
  fail 3 "$bundle cannot be decompressed: it is damaged, or larger than its manifest says, or the disk is full"

# Exactly the entries that the manifest says, in its order, each a file or a link among these: no directory, no symbolic
# link, no device, nothing twice, nothing with another name.
tar -tf "$work/bundle.tar" >"$work/names" 2>/dev/null || fail 3 "$bundle is damaged"
tar -tvf "$work/bundle.tar" >"$work/kinds" 2>/dev/null || fail 3 "$bundle is damaged"
while IFS= read -r line; do
  case $line in
    -* | h*) ;;
    *) fail 3 'the bundle holds something that is not a file' ;;
  esac
done <"$work/kinds"
exec 3<"$work/names" 4<"$work/paths"
stray() { fail 3 "the bundle does not hold what its manifest says, in that order: $1"; }
IFS= read -r name <&3 && [ "$name" = manifest.json ] || stray manifest.json
signatures=0
while IFS= read -r name <&3; do
  case $name in
    signatures/*.sig)
      name=${name#signatures/}
      is_hex64 "${name%.sig}" || stray 'a signature'
      signatures=$((signatures + 1))
      [ "$signatures" -le 16 ] || stray 'signatures'
      ;;
    *) break ;;
  esac
done
while read -r path same <&4; do
  [ "$name" = "$path" ] || stray "$path"
  IFS= read -r name <&3 || name=
done
[ -z "$name" ] || stray 'the end'
exec 3<&- 4<&-

while read -r path same; do
  directory=${path%/*}
  [ "$directory" = "$path" ] || mkdir -p "$work/tree/$directory"
  [ ! -e "$work/tree/$path" ] || fail 3 "the manifest names $path twice, or in another case as well"
  tar -xOf "$work/bundle.tar" "${same:-$path}" >"$work/tree/$path" || fail 7 "$path cannot be unpacked"
done <"$work/paths"
(cd "$work/tree" && sha256sum -c ../sums) >"$work/report" 2>&1 || {
  while IFS= read -r line; do
    case $line in *': OK') ;; *) printf 'install.sh: %s\n' "$line" >&2 ;; esac
  done <"$work/report"
  fail 3 'a file is not what was signed; nothing was installed'
}
mv "$work/manifest" "$work/tree/manifest.json"
mkdir "$work/tree/signatures"
mv "$work/signature" "$work/tree/$signature"

if command -v sync >/dev/null 2>&1; then sync; fi
[ ! -e "$to" ] && [ ! -L "$to" ] || fail 6 "$to appeared meanwhile; nothing was installed"
mv "$work/tree" "$to" || fail 7 "$to cannot be made"
if [ -e "$to/tree" ]; then
  # Somebody made the directory in the last moment, and ours went into it.
  rm -rf "$to/tree"
  fail 6 "$to appeared meanwhile; nothing was installed"
fi
printf 'INSTALLED: %s files of set %s, sequence %s, created %s\n' "$count" "$set" "$sequence" "$created"
printf 'signed by: %s\nin: %s\n' "$keyid" "$to"
