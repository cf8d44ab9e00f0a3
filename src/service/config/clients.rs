//! The clients: `AGENT_CLIENT_<NAME>` with its scopes, and `_TOKEN`, `_SOCKET`, `_SERVICE`, by which it is known.
//!
//! A client with a fault is off; the others and the service work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::checked::ClientSettings;
use super::fault::Fault;
use super::parse::absolute_path;
use super::table::{CLIENT, ClientPart};
use crate::service::scope::{Scope, Scopes, is_service_name};

/// Most clients; those after them, in the order of their names, are off.
const MOST_CLIENTS: usize = 64;
/// Shortest token: 16 characters of a random token are at least 64 bits.
const SHORTEST_TOKEN: usize = 16;
/// Longest token: it has to fit into a request head beside others.
const LONGEST_TOKEN: usize = 256;
/// Longest path of a Unix socket, in bytes; the kernel's limit is 108 with the final zero.
const LONGEST_SOCKET: usize = 107;
/// Names that the service gives itself.
const RESERVED: [&str; 2] = ["ADMIN", "ANONYMOUS"];

/// The variables of one client, as given.
#[derive(Default)]
struct Given<'a> {
    scopes: Option<&'a str>,
    token: Option<&'a str>,
    socket: Option<&'a str>,
    service: Option<&'a str>,
}

/// Returns the name of the client that a variable is of, and which of its variables it is.
pub(crate) fn part_of(variable: &str) -> Option<(&str, ClientPart)> {
    let rest = variable.strip_prefix(CLIENT)?;
    let companions =
        [("_TOKEN", ClientPart::Token), ("_SOCKET", ClientPart::Socket), ("_SERVICE", ClientPart::Service)];
    let companion = companions.iter().find_map(|(end, part)| Some((rest.strip_suffix(end)?, *part)));
    Some(companion.unwrap_or((rest, ClientPart::Scopes)))
}

/// Reads the clients from these variables. Returns those without a fault, and all faults, one or more for each client
/// that is off.
///
/// `state_directory` holds what no client may see: no socket may be in it.
pub(crate) fn read<'a>(
    variables: impl Iterator<Item = (&'a str, &'a str)>,
    state_directory: Option<&Path>,
) -> (Vec<ClientSettings>, Vec<Fault>) {
    let mut given: BTreeMap<&str, Given<'_>> = BTreeMap::new();
    for (variable, text) in variables {
        let Some((name, part)) = part_of(variable) else { continue };
        let client = given.entry(name).or_default();
        match part {
            ClientPart::Scopes => client.scopes = Some(text),
            ClientPart::Token => client.token = Some(text),
            ClientPart::Socket => client.socket = Some(text),
            ClientPart::Service => client.service = Some(text),
        }
    }
    let (mut clients, mut faults) = (Vec::new(), Vec::new());
    for (number, (name, client)) in given.iter().enumerate() {
        let mut found = Vec::new();
        if number >= MOST_CLIENTS {
            found.push(fault(name, "", &format!("is one too many: there may be {MOST_CLIENTS} clients")));
        }
        match one(name, client, state_directory, &mut found) {
            Some(client) if found.is_empty() => clients.push(client),
            _ => faults.append(&mut found),
        }
    }
    disable_ambiguous(&mut clients, &mut faults);
    (clients, faults)
}

fn fault(name: &str, end: &str, text: &str) -> Fault {
    let setting = format!("{CLIENT}{name}{end}");
    Fault { text: format!("{setting} {text}"), setting }
}

/// Reads one client; adds its faults to `found`.
fn one(
    name: &str,
    given: &Given<'_>,
    state_directory: Option<&Path>,
    found: &mut Vec<Fault>,
) -> Option<ClientSettings> {
    if let Some(text) = name_fault(name) {
        found.push(fault(name, "", &text));
    }
    let scopes = match given.scopes {
        None => {
            let end = match given {
                Given { token: Some(_), .. } => "_TOKEN",
                Given { socket: Some(_), .. } => "_SOCKET",
                _ => "_SERVICE",
            };
            let text = format!(
                "has no client: set {CLIENT}{name} to its scopes, e.g. `state events`, or remove this one"
            );
            found.push(fault(name, end, &text));
            None
        }
        Some(text) => Scopes::parse(text)
            .map_err(|why| found.push(fault(name, "", &format!("has wrong scopes: {why}"))))
            .ok(),
    };
    if given.token.is_none() && given.socket.is_none() && given.service.is_none() {
        let text = format!(
            "can't be known: set {CLIENT}{name}_TOKEN, {CLIENT}{name}_SOCKET, e.g. /run/{0}/agent.sock, or \
             {CLIENT}{name}_SERVICE, e.g. {0}",
            name.to_ascii_lowercase()
        );
        found.push(fault(name, "", &text));
    }
    if let Some(text) = given.token.and_then(token_fault) {
        found.push(fault(name, "_TOKEN", &text));
    }
    let socket = given.socket.and_then(|text| {
        let why = |why| found.push(fault(name, "_SOCKET", &format!("is \"{}\": {why}", text.escape_debug())));
        socket(text, state_directory).map_err(why).ok()
    });
    if let Some(text) = given.service.filter(|text| !is_service_name(text)) {
        let text = format!("is \"{}\": it has to be the name of a service, e.g. main", text.escape_debug());
        found.push(fault(name, "_SERVICE", &text));
    }
    if let (Some(_), Some(scopes)) = (given.service, &scopes) {
        let beyond: Vec<String> =
            scopes.iter().filter(|scope| !may_be_known_by_service(scope)).map(Scope::to_string).collect();
        if !beyond.is_empty() {
            let text = format!(
                "gives too little certainty for {}: a client known by its service may have `state events logs locks`; \
                 for more, make it known by _TOKEN or _SOCKET alone, e.g. {CLIENT}{name}_SOCKET=/run/web/agent.sock",
                beyond.join(" ")
            );
            found.push(fault(name, "_SERVICE", &text));
        }
    }
    Some(ClientSettings {
        name: name.to_ascii_lowercase(),
        scopes: scopes?,
        token: given.token.map(SecretString::from),
        socket,
        service: given.service.map(str::to_owned),
    })
}

fn may_be_known_by_service(scope: &Scope) -> bool {
    matches!(scope, Scope::State | Scope::Events | Scope::Logs | Scope::Locks)
}

fn name_fault(name: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() {
        return Some(format!("lacks the name of the client, e.g. {CLIENT}WEB"));
    }
    if !name.chars().all(is_plain) {
        return Some(format!("has a wrong name: capital letters, digits and `_` only, e.g. {CLIENT}WEB"));
    }
    if let Some(end) = ["TOKEN", "SERVICE", "SOCKET"].iter().find(|end| name.ends_with(*end)) {
        return Some(format!("has a name that ends in {end}, which means another setting: e.g. {CLIENT}WEB"));
    }
    RESERVED.contains(&name).then(|| format!("has a name that the service uses itself: e.g. {CLIENT}WEB"))
}

/// Never contains the token.
fn token_fault(token: &str) -> Option<String> {
    if !token.chars().all(|c| c.is_ascii_graphic()) {
        return Some(
            "has white space or characters that are not ASCII: make one with `openssl rand -hex 32`"
                .to_owned(),
        );
    }
    let length = token.len();
    (!(SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&length)).then(|| {
        format!(
            "has {length} characters: it has to have {SHORTEST_TOKEN} to {LONGEST_TOKEN}; make one with \
             `openssl rand -hex 32`"
        )
    })
}

fn socket(text: &str, state_directory: Option<&Path>) -> Result<PathBuf, String> {
    let path = absolute_path(text, "/run/web/agent.sock")?;
    if text.len() > LONGEST_SOCKET {
        return Err(format!("it may have {LONGEST_SOCKET} bytes, e.g. /run/web/agent.sock"));
    }
    match path.parent() {
        None => return Err("it has to be in a directory, e.g. /run/web/agent.sock".to_owned()),
        Some(parent) if parent == Path::new("/") => {
            return Err("it has to be in a directory of its own, e.g. /run/web/agent.sock".to_owned());
        }
        Some(_) => {}
    }
    if state_directory.is_some_and(|directory| path.starts_with(directory)) {
        return Err(
            "it is in the state directory, which no client may see; e.g. /run/web/agent.sock".to_owned()
        );
    }
    Ok(path)
}

/// Removes clients that could be taken for each other: with the same token, with sockets in one directory, with the
/// same service.
fn disable_ambiguous(clients: &mut Vec<ClientSettings>, faults: &mut Vec<Fault>) {
    let mut ambiguous = Vec::new();
    for client in clients.iter() {
        for other in clients.iter().filter(|other| other.name != client.name) {
            let (name, other_name) =
                (client.name.to_ascii_uppercase(), format!("{CLIENT}{}", other.name.to_ascii_uppercase()));
            let token = |client: &ClientSettings| client.token.clone();
            if let (Some(own), Some(others)) = (token(client), token(other))
                && own.expose_secret() == others.expose_secret()
            {
                let text = format!(
                    "is also the token of {other_name}: each needs its own, e.g. by `openssl rand -hex 32`"
                );
                ambiguous.push(fault(&name, "_TOKEN", &text));
            }
            if let (Some(own), Some(others)) = (&client.socket, &other.socket)
                && own.parent() == others.parent()
            {
                let text = format!(
                    "is in the directory of {other_name}_SOCKET: each client needs a volume of its own, e.g. \
                     /run/{}/agent.sock",
                    client.name
                );
                ambiguous.push(fault(&name, "_SOCKET", &text));
            }
            if client.service.is_some() && client.service == other.service {
                let text = format!(
                    "is also the service of {other_name}: give one client all scopes, e.g. {CLIENT}WEB"
                );
                ambiguous.push(fault(&name, "_SERVICE", &text));
            }
        }
    }
    clients.retain(|client| {
        let own = format!("{CLIENT}{}_", client.name.to_ascii_uppercase());
        let is_own = |fault: &Fault| {
            fault.setting.strip_prefix(&own).is_some_and(|end| matches!(end, "TOKEN" | "SOCKET" | "SERVICE"))
        };
        !ambiguous.iter().any(is_own)
    });
    faults.append(&mut ambiguous);
}
