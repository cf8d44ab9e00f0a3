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
