#!/bin/sh
# Makes the authority and the server's certificate of these tests anew. They are good for a hundred years, and
# good for nothing else.
set -eu
cd "$(dirname "$0")"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout authority.key -out authority.pem \
    -days 36500 -subj "/CN=authority of the tests" -addext "basicConstraints=critical,CA:TRUE" \
    -addext "keyUsage=critical,keyCertSign"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj "/CN=cloud of the tests"
printf 'subjectAltName=DNS:api.own.example,DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' > server.ext
openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 36500 \
    -extfile server.ext -out server.pem
rm -f authority.key server.csr server.ext authority.srl

# Certificates that stand for themselves: each is the server's own, and is named byte for byte.
# own NAME EXTENSIONS SUBJECT [FROM TO]
own() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out own.csr -subj "$3"
    printf '%s\n' "$2" > own.ext
    : > own.index
    printf '[ca]\ndefault_ca=own\n[own]\ndatabase=own.index\nrand_serial=yes\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n' > own.conf
    # Without extensions it is of version 1.
    openssl ca -batch -notext -selfsign -config own.conf -keyfile "$1.key" -in own.csr ${2:+-extfile own.ext} \
        -startdate "${4:-20200101000000Z}" -enddate "${5:-21200101000000Z}" -out "$1.pem"
    rm -f own.* ./????????????????????????????????????????.pem
}
ca='basicConstraints=critical,CA:TRUE'
san='subjectAltName=DNS:localhost,DNS:*.own.example,IP:127.0.0.1'
lines() { printf '%s\n' "$@"; }
own own_ca "$(lines $ca $san)" '/CN=own authority'
own own_v1 '' '/CN=localhost'
own own_cn "$ca" '/CN=localhost'
own own_other "$(lines $ca subjectAltName=DNS:other.example)" '/CN=localhost'
own own_expired "$(lines $ca $san)" '/CN=own' 20200101000000Z 20210101000000Z
own own_future "$(lines $ca $san)" '/CN=own' 20900101000000Z 21000101000000Z
openssl x509 -in own_ca.pem -trustout -addtrust serverAuth -setalias own -out own_ca_trusted.pem
