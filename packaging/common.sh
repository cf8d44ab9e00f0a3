# Sourced by the commands of this folder: the architectures, what each command needs, and how it says what is missing.
# shellcheck shell=bash disable=SC2034,SC2119,SC2120 # what is set here is used by them, and they give the arguments

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${PACKAGING_CACHE:-$root/target/packaging}
[ "${cache#/}" != "$cache" ] || cache=$PWD/$cache
log=$cache/log.txt
name=packaging/$(basename "$0")

# balena's name, Rust's name, qemu's name, the least of the processors that balena's boards of it have, and the most bytes
# that a binary may have.
architectures() {
    cat <<'TABLE'
amd64   x86_64-unknown-linux-musl      x86_64  qemu64      5000000
aarch64 aarch64-unknown-linux-musl     aarch64 cortex-a53  4500000
armv7hf armv7-unknown-linux-musleabihf arm     cortex-a7   4000000
rpi     arm-unknown-linux-musleabihf   arm     arm1176     4000000
TABLE
}

# The last line of a command that failed; nothing else is printed after it. The exit code tells whose fault it is:
# 69 while what is needed can't be had, else 1, and 2 for a wrong argument.
code=1
fail() {
    printf '%s: %s\n' "$name" "$*" >&2
    exit "$code"
}

say() { printf '%s: %s\n' "$name" "$*" >&2; }

usage() {
    printf '%s: %s\n' "$name" "$*" >&2
    exit 2
}

# architecture NAME: sets target, qemu, cpu and most_bytes, or ends.
architecture() {
    local arch
    while read -r arch target qemu cpu most_bytes; do
        [ "$arch" = "$1" ] && return
    done < <(architectures)
    usage "there is no architecture \`$1\`; there are $(architectures | awk '{printf "%s%s", sep, $1; sep = ", "}')"
}

# The emulator of an architecture with its processor, as words in `emulator`.
emulate() {
    local program
    for program in "qemu-$1-static" "qemu-$1"; do
        if command -v "$program" >/dev/null; then
            emulator=("$program" -cpu "$2")
            return
        fi
    done
    fail "qemu-$1-static is missing, which runs what is built for a $2: install the package qemu-user-static"
}

# A folder's free space in MB.
free_space() { df -Pk "$1" | awk 'NR == 2 {print int($4 / 1000)}'; }

# Why the last command failed, as far as a full disk explains it; $1 is what it was doing, $2 where it wrote.
failed() {
    [ "$(free_space "$2")" -ge 20 ] || fail "$1: the disk of $2 is full"
    fail "$1 (the end of $log says more)"
}

prepare_cache() {
    mkdir -p "$cache" 2>/dev/null || fail "can't make the folder $cache"
    { : >"$log"; } 2>/dev/null || failed "can't write $log" "$cache"
}

# Runs a command whose output is of interest only when it fails.
quietly() { "$@" >>"$log" 2>&1 </dev/null; }

# need COMMAND PACKAGE…: these packages unless there is such a command.
missing=()
need() { command -v "$1" >/dev/null || missing+=("${@:2}"); }

# install_packages [HINT]: what was found missing; the hint says how to do without.
install_packages() {
    [ ${#missing[@]} -gt 0 ] || return 0
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "packages are missing; install them, or run this as root on Debian: ${missing[*]}${1:-}"
    fi
    # Without them Debian's own cargo downloads nothing.
    [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
    say "installing ${missing[*]}"
    # Without lists there is no package; with old ones there may be.
    quietly apt-get update || true
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -y --no-install-recommends "${missing[@]}" \
        || failed "apt-get can't install ${missing[*]}; is the network there?${1:-}" /var
    missing=()
}

# The C compiler is for what is built for this machine: macros and build scripts.
need_build_tools() {
    need cc gcc libc6-dev
    python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
}

need_emulator() {
    architecture "$1"
    command -v "qemu-$qemu-static" "qemu-$qemu" >/dev/null || missing+=(qemu-user-static)
}

# zig is the linker and the C compiler of every architecture; exact versions, held to their checksums.
install_zig() {
    local venv
    venv=$cache/zig-$(cksum <"$root/packaging/requirements.txt" | cut -d' ' -f1)
    export PATH="$venv/bin:$PATH"
    [ ! -e "$venv/complete" ] || return 0
    say "installing zig"
    rm -rf "$venv"
    { quietly python3 -m venv "$venv" \
        && quietly "$venv/bin/pip" install --require-hashes --only-binary :all: -r "$root/packaging/requirements.txt"; } \
        || failed "pip can't install zig (packaging/requirements.txt); is the network there?" "$cache"
    touch "$venv/complete"
}

# A compiler and the source of its own standard library, which is built with the program: no ready one is needed for
# the target, and what is not used of it is not there. rustup's, else Debian's `rustc-web`.
install_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    if command -v cargo >/dev/null; then
        found=$(cargo --version | cut -d' ' -f2)
        at_least "$found" "$wanted" || fail "cargo is of version $found, and $wanted is the least: https://rustup.rs installs a newer one"
    else
        [ "$(id -u)" != 0 ] || quietly apt-get update || true
        found=$(apt-cache policy cargo-web 2>/dev/null | awk '$1 == "Candidate:" {print $2}') || true
        at_least "${found:-0}" "$wanted" \
            || fail "cargo is missing, and Debian has none here that is $wanted or later: https://rustup.rs installs it"
        missing+=(cargo-web)
    fi
    install_packages
    if ! compiler_with_source && command -v rustup >/dev/null; then
        say "installing the source of the standard library"
        quietly rustup component add rust-src || true
    fi
    if ! compiler_with_source; then
        missing+=(rustc-web rust-web-src)
        install_packages
        compiler_with_source || fail "the standard library's source is missing: \`rustup component add rust-src\` installs it"
    fi
}

at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# Sets RUSTC and `source`. rustup's compiler may hide Debian's, which is the one with a source where there is no more of
# rustup's to be had.
compiler_with_source() {
    local compiler
    for compiler in ${RUSTC:+"$RUSTC"} $(type -ap rustc); do
        source=$("$compiler" --print sysroot)/lib/rustlib/src/rust
        if [ -e "$source/library/Cargo.lock" ]; then
            export RUSTC=$compiler
            return
        fi
    done
    return 1
}

# zigbuild COMMAND TARGET [ARG…]: builds (`zigbuild`) or tests (`test`) what is in `tree`, and the standard library.
# The bytes are the same wherever the sources, the crates and the compiler lie: their places are not told.
zigbuild() {
    local command=$1 target=$2 folder flags library
    flags=(
        # zig has the C library's start files.
        -Clink-self-contained=no
        "--remap-path-prefix=$CARGO_TARGET_DIR=target"
        "--remap-path-prefix=$tree=balena-agent"
        "--remap-path-prefix=$source=rust"
        "--remap-path-prefix=$(cd "$source" && pwd -P)=rust"
    )
    for folder in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
        flags+=("--remap-path-prefix=$folder=")
    done
    library=("-Zbuild-std=std,panic_unwind")
    if [ "$command" = zigbuild ]; then
        # Nothing unwinds, and nobody reads the addresses of a backtrace of a stripped binary: docs/size.md.
        library=("-Zbuild-std=std,panic_abort" -Zbuild-std-features=optimize_for_size)
        # zig would link at a fixed address.
        flags+=(-Cforce-unwind-tables=no -Clink-arg=-pie "-Clinker=$root/packaging/linker")
        export PACKAGING_TARGET=$target
        # Every processor with these instructions has the shorter ones too (Thumb-2). The older one of rpi has not.
        case $target in armv7-*) flags+=(-Ctarget-feature=+thumb-mode) ;; esac
    fi
    (
        cd "$tree" || exit
        # The first lets a released compiler build its own library; the caches stay in ours.
        export RUSTC_BOOTSTRAP=1 ZIG_GLOBAL_CACHE_DIR=$cache/zig-cache CARGO_ZIGBUILD_CACHE_DIR=$cache/zigbuild
        CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && printf '%s' "${flags[*]}")
        export CARGO_ENCODED_RUSTFLAGS
        cargo-zigbuild "$command" "${library[@]}" --locked --target "$target" "${@:3}"
    )
}
