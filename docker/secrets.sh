#!/bin/sh
# Makes the secrets of compose.yaml, once, in the folder given (docker/secrets): each password is drawn here and kept nowhere else.
# A node's is written twice: `name:password` as Accord reads it, and as the JSON that Orthanc reads.
set -eu
folder=${1:-"$(dirname "$0")/secrets"}
mkdir -m 0700 "$folder"  # fails where it is already there: a password that changes locks everybody out
cd "$folder"
umask 0222  # containers read these files under accounts of their own; on this machine the folder is closed to everybody else

draw() { od -A n -N 24 -t x1 /dev/urandom | tr -d ' \n'; }

password=$(draw)
printf '%s' "$password" > database_password
printf 'postgresql://accord:%s@database:5432/accord' "$password" > database_url
for node in node_a node_b; do
    password=$(draw)
    printf 'accord:%s' "$password" > "$node"
    printf '{"RegisteredUsers": {"accord": "%s"}}\n' "$password" > "$node.json"
done
