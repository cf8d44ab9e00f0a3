//! `packaging/build` gives whole binaries or none: what goes wrong on the way is one clear line, and `dist/` stays as
//! it was. The compiler, the emulator and the package manager are played here; the script itself is the real one.

#![cfg(feature = "simulator")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests are tests, and their files are theirs"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// What the script may find on a machine beside what the test puts there.
const BASIC: &str =
    "awk basename bash cat cksum cp cut dirname head mkdir mktemp mv rm sed sha256sum sort stat touch tr";

/// A machine with everything on it that the script wants, and a tree of sources with it.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["bin", "tree/packaging", "tree/dist", "rust/lib/rustlib/src/rust/library", "home"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        for script in fs::read_dir(project.join("packaging")).unwrap() {
            let script = script.unwrap();
            fs::copy(script.path(), machine.path("tree/packaging").join(script.file_name())).unwrap();
        }
        fs::copy(project.join("Cargo.toml"), machine.path("tree/Cargo.toml")).unwrap();
        fs::write(machine.path("rust/lib/rustlib/src/rust/library/Cargo.lock"), "").unwrap();
        for name in BASIC.split(' ') {
            let real = Command::new("sh").args(["-c", &format!("command -v {name}")]).output().unwrap();
            let real = PathBuf::from(String::from_utf8(real.stdout).unwrap().trim());
            std::os::unix::fs::symlink(real, machine.path("bin").join(name)).unwrap();
        }
        machine.program("id", "echo 1000");
        machine.program("df", "printf 'Filesystem 1024-blocks Used Available\\ndisk 9 9 90000000\\n'");
        machine.program("cargo", "echo cargo 1.99.0");
        for name in ["cc", "readelf", "apt-get", "rustup"] {
            machine.program(name, "");
        }
        for name in ["x86_64", "aarch64", "arm"] {
            machine.program(&format!("qemu-{name}-static"), "");
        }
        machine.program("rustc", &format!("echo {}", machine.path("rust").display()));
        // A virtual environment with a compiler in it, which makes a file that names its target.
        machine.program(
            "python3",
            "[ \"$1\" = -c ] && exit; mkdir -p \"$3/bin\"; printf '#!/bin/sh\\n' >\"$3/bin/pip\"; chmod 755 \"$3/bin/pip\"",
        );
        std::os::unix::fs::symlink("/bin/chmod", machine.path("bin/chmod")).unwrap();
        machine.program(
            "cargo-zigbuild",
            "while [ \"$1\" != --target ]; do shift; done; target=$2; folder=$CARGO_TARGET_DIR/$target/release; mkdir -p \"$folder\"; \
             printf 'built for %s' \"$target\" >\"$folder/balena-agent\"; chmod 755 \"$folder/balena-agent\"",
        );
        fs::write(machine.path("tree/packaging/check"), "#!/bin/sh\n").unwrap();
        machine
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// Puts a program on the machine, or another one in its place.
    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn without(&self, name: &str) -> &Self {
        fs::remove_file(self.path("bin").join(name)).unwrap();
        self
    }

    fn build(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.path("tree/packaging/build"));
        command.env_clear().env("PATH", self.path("bin")).env("HOME", self.path("home"));
        command.args(arguments).output().unwrap()
    }

    fn dist(&self) -> Vec<String> {
        let files = fs::read_dir(self.path("tree/dist")).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The build fails with this line and leaves `dist/` as it is.
    fn fails(&self, arguments: &[&str], code: i32, line: &str) {
        let before = self.dist();
        let output = self.build(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        let last = errors.lines().last().unwrap_or_default();
        assert!(last.starts_with("packaging/build: ") && last.contains(line), "{errors}");
        // Before it there are only notes of what was begun.
        let notes = errors.lines().rev().skip(1);
        for note in notes {
            assert!(note.starts_with("packaging/build: installing") || note.contains("building"), "{errors}");
        }
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert_eq!(self.dist(), before);
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The line that zig tells is run again with more options; what goes wrong on the way is said.
#[test]
fn the_linker_runs_the_line_that_zig_tells_or_says_why_not() {
    let machine = Machine::new();
    machine.program("python-zig", "echo \"$*\" >\"$HOME/run\"");
    let link = |zig: &str| {
        machine.program("zigcc", zig);
        let mut command = Command::new(machine.path("tree/packaging/linker"));
        command.args(["a.o", "-o", "out", "-pie"]).env("PACKAGING_TARGET", "arm-musl");
        command.env("PATH", format!("{}:{}", machine.path("bin").display(), env!("PATH")));
        command
            .env("CARGO_TARGET_ARM_MUSL_LINKER", machine.path("bin/zigcc"))
            .env("HOME", machine.path("home"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let told = "echo 'ld.lld -r -o start.o s.o'; echo \"ld.lld -pie -o out a.o libc.a\"; echo done";
    assert_eq!(link(told), (Some(0), String::new()));
    assert_eq!(
        text(&machine.path("home/run")),
        "ld.lld -pie -o out a.o libc.a -z pack-relative-relocs --icf=all\n"
    );
    for (zig, said) in [
        ("echo 'ld.lld -o other a.o'", "zig printed no link command for out"),
        ("echo 'ar rcs libc.a'; echo 'error: no libc' >&2; exit 1", "error: no libc"),
    ] {
        let (code, errors) = link(zig);
        assert!(code == Some(1) && errors.contains(said) && !errors.contains("ar rcs"), "{errors}");
    }
}

#[test]
fn what_is_built_comes_with_its_sums_and_sizes() {
    let machine = Machine::new();
    let output = machine.build(&[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = ["aarch64", "amd64", "armv7hf", "rpi"].map(|name| format!("balena-agent-{name}"));
    let mut all: Vec<_> = ["SHA256SUMS", "sizes.txt"].map(str::to_owned).into_iter().chain(names).collect();
    all.sort();
    assert_eq!(machine.dist(), all);
    let dist = machine.path("tree/dist");
    assert_eq!(text(&dist.join("balena-agent-rpi")), "built for arm-unknown-linux-musleabihf");
    let sums = Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&dist).output().unwrap();
    assert!(sums.status.success() && String::from_utf8(sums.stdout).unwrap().lines().count() == 4);
    assert_eq!(text(&dist.join("sizes.txt")), String::from_utf8(output.stdout).unwrap());
}

#[test]
fn one_architecture_built_again_keeps_the_others_and_the_sums_of_all() {
    let machine = Machine::new();
    assert!(machine.build(&["amd64", "rpi"]).status.success());
    let zig = machine.path("bin/cargo-zigbuild");
    let newer = text(&zig).replace("built for", "newer for");
    fs::write(zig, newer).unwrap();
    assert!(machine.build(&["rpi", "--no-check", "rpi"]).status.success());
    let dist = machine.path("tree/dist");
    assert!(text(&dist.join("balena-agent-amd64")).starts_with("built for"));
    assert!(text(&dist.join("balena-agent-rpi")).starts_with("newer for"));
    let sums = Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&dist).output().unwrap();
    assert!(sums.status.success());
}

#[test]
fn a_wrong_argument_is_told_with_what_there_is() {
    let machine = Machine::new();
    machine.fails(&["armhf"], 2, "there is no architecture `armhf`; there are amd64, aarch64, armv7hf, rpi");
    machine.fails(&["amd64", ""], 2, "there is no architecture ``");
    machine.fails(&["amd64", "--quick"], 2, "there is no option `--quick`");
    assert!(!machine.path("tree/target").exists(), "nothing is begun");
}

#[test]
fn without_the_emulator_the_package_is_named_before_anything_is_built() {
    let machine = Machine::new();
    machine.without("qemu-arm-static").fails(
        &["armv7hf"],
        69,
        "install them, or run this as root on Debian: qemu-user-static (or --no-check, without qemu)",
    );
    assert!(machine.build(&["--no-check", "armv7hf"]).status.success());
}

#[test]
fn without_a_network_what_could_not_be_had_is_named() {
    let machine = Machine::new();
    machine.program("id", "echo 0");
    machine.program("apt-get", "echo 'Could not resolve' >&2; exit 100");
    machine.without("cc").fails(&["amd64"], 69, "apt-get can't install gcc libc6-dev");
    machine.program("cc", "");
    let fails =
        "[ \"$1\" = --version ] && echo cargo 1.99.0 && exit; echo 'spurious network error' >&2; exit 101";
    machine.program("cargo", fails);
    machine.fails(&["amd64"], 69, "can't download the crates of Cargo.lock; is the network there?");
    assert!(text(&machine.path("tree/target/packaging/log.txt")).contains("spurious network error"));

    let machine = Machine::new();
    let python = text(&machine.path("bin/python3")).replace("#!/bin/sh\\n' >", "#!/bin/sh\\nexit 1\\n' >");
    fs::write(machine.path("bin/python3"), python).unwrap();
    machine.fails(&["amd64"], 69, "pip can't install zig");
}

#[test]
fn without_cargo_or_the_library_it_says_where_they_come_from() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path("rust/lib")).unwrap();
    machine.fails(&["amd64"], 69, "rust-web-src rustc-web");
    machine.program("cargo", "echo cargo 0.66.0");
    machine.fails(&["amd64"], 69, "cargo is of version 0.66.0, and 1.90 is the least");
    machine.without("cargo").fails(&["amd64"], 69, "https://rustup.rs installs it");
}

#[test]
fn a_full_disk_is_told_and_leaves_the_binaries_of_before() {
    let machine = Machine::new();
    assert!(machine.build(&["amd64"]).status.success());
    let sums = text(&machine.path("tree/dist/SHA256SUMS"));

    let copies = "head -c 3 \"$1\" >\"$2\"; echo 'No space left on device' >&2; exit 1";
    machine.program("cp", copies);
    machine.fails(&["amd64"], 1, "can't copy amd64 to dist");
    machine.program("df", "printf 'Filesystem 1024-blocks Used Available\\ndisk 9 9 40000\\n'");
    machine.fails(&["aarch64"], 69, "target/packaging has 40 MB free, and this takes 500 MB");
    machine.program("df", "printf 'Filesystem 1024-blocks Used Available\\ndisk 9 9 7000\\n'");
    machine.fails(&["amd64"], 1, "the disk of");

    assert_eq!(text(&machine.path("tree/dist/SHA256SUMS")), sums);
    assert_eq!(text(&machine.path("tree/dist/balena-agent-amd64")), "built for x86_64-unknown-linux-musl");
}

#[test]
fn what_does_not_build_or_does_not_work_never_gets_into_dist() {
    let machine = Machine::new();
    fs::write(machine.path("tree/packaging/check"), "#!/bin/sh\n[ \"$1\" != rpi ]\n").unwrap();
    machine.fails(&[], 1, "rpi is built, and does not work");
    machine.program("cargo-zigbuild", "exit 101");
    machine.fails(&["aarch64"], 1, "aarch64 does not build");
    let big = "folder=$CARGO_TARGET_DIR/armv7-unknown-linux-musleabihf/release; mkdir -p \"$folder\"; head -c 4000001 /dev/zero >\"$folder/balena-agent\"";
    machine.program("cargo-zigbuild", big);
    machine.fails(&["armv7hf"], 1, "armv7hf has 4000001 bytes, and may have 4000000");
}
