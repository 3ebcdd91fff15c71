#!/usr/bin/env bash
# Makes the certificates of this folder anew: two keys, k and other, and an authority. What differs is in the name. All
# are valid from 2025 to 2030 unless the name says otherwise; tests ask about a day in 2027.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

key() {
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.key"
}

# NAME KEY SUBJECT ISSUER FROM UNTIL EXTENSIONS; ISSUER is the name of a certificate, and of its key; or self.
certificate() {
    local name=$1 key=$2 subject=$3 issuer=$4 from=$5 until=$6 extensions=$7
    local by=(-cert "$issuer.pem" -keyfile "$work/$issuer.key")
    [[ $issuer != self ]] || by=(-selfsign -keyfile "$work/$key.key")
    openssl req -new -key "$work/$key.key" -subj "$subject" -out "$work/csr"
    : >"$work/index"
    printf '%b' "$extensions" >"$work/extensions"
    printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nnew_certs_dir=%s\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n' \
        "$work/index" "$work" >"$work/ca.conf"
    openssl ca -batch -notext -config "$work/ca.conf" -in "$work/csr" "${by[@]}" -startdate "${from}0101000000Z" \
        -enddate "${until}0101000000Z" -extfile "$work/extensions" -out "$name.pem" 2>/dev/null
}

leaf='basicConstraints = CA:FALSE\nkeyUsage = critical, digitalSignature\n'
ca='basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n'

for name in root intermediate impostor loop_a loop_b k other; do key "$name"; done
certificate root root /CN=root self 2025 2030 "$ca"
certificate intermediate intermediate /CN=intermediate root 2025 2030 "$ca"
# The intermediate's name, another key.
certificate impostor impostor /CN=intermediate root 2025 2030 "$ca"
# Each signed the other: there is no top.
certificate loop_b loop_b /CN=loop_b self 2025 2030 "$ca"
certificate loop_a loop_a /CN=loop_a loop_b 2025 2030 "$ca"
certificate loop_b loop_b /CN=loop_b loop_a 2025 2030 "$ca"
certificate k_in_loop k /CN=k loop_a 2025 2030 "$leaf"
certificate k k /CN=k intermediate 2025 2030 "$leaf"
certificate k_until_2029 k /CN=k intermediate 2025 2029 "$leaf"
certificate k_until_2026 k /CN=k intermediate 2025 2026 "$leaf"
certificate k_from_2028 k /CN=k intermediate 2028 2035 "$leaf"
certificate k_ca k /CN=k intermediate 2025 2035 'basicConstraints = CA:TRUE\nkeyUsage = critical, digitalSignature, keyCertSign\n'
certificate k_no_signature k /CN=k intermediate 2025 2035 'basicConstraints = CA:FALSE\nkeyUsage = critical, keyEncipherment\n'
certificate k_no_key_usage k /CN=k intermediate 2025 2031 'basicConstraints = CA:FALSE\n'
certificate k_attestation k /CN=k intermediate 2025 2035 '1.3.6.1.4.1.41482.3.3 = DER:050403\n'
certificate other other /CN=other intermediate 2025 2030 "$leaf"
