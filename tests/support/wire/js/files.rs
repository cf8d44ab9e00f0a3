//! The family `files`: release assets, images of the host OS, builds from a URL, logos.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use balena_agent::api::rows::ReleaseAsset;
use balena_agent::{
    ApplicationKey, Balena, DeviceTypeKey, ErrorKind, ReleaseAssetKey, ReleaseKey, UploadFile,
};
use serde_json::{Map, Value, json};

use crate::wire::args::{Args, Failure, Outcome, json as to_json, streamed, unit};
use crate::wire::cases::{Case, Exchange, unhex};
use crate::wire::outcomes::{self, Expect};
use crate::wire::quirks::{Expected, error};
use crate::wire::rulebook::Rulebook;
use crate::wire::typed::fits;

/// The functions whose cases are judged here, whatever file they stand in.
pub(super) fn owns(function: &str) -> bool {
    function.starts_with("models.release.asset.")
        || ["models.os.download", "models.release.createFromUrl", "models.organization.create"]
            .contains(&function)
}

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let assets = balena.release().asset();
    Some(match function {
        "models.release.asset.getAllByRelease" => all(balena, args).await,
        "models.release.asset.get" => one(balena, args).await,
        "models.release.asset.download" => match asset(args) {
            Ok(key) => match assets.download(key).await {
                Ok(download) => streamed(download).await,
                Err(error) => Err(error.into()),
            },
            Err(failure) => Err(failure),
        },
        "models.release.asset.remove" => match asset(args) {
            Ok(key) => unit(assets.remove(key).await),
            Err(failure) => Err(failure),
        },
        "models.release.asset.upload" => upload(balena, args).await,
        "models.os.download" => image(balena, args).await,
        "models.release.createFromUrl" => build(balena, args).await,
        "models.organization.create" => organization(balena, args).await,
        _ => return None,
    })
}

async fn all(balena: &Balena, args: &Args) -> Outcome {
    let list = balena.release().asset().get_all_by_release(release(args.get(0, ""))?);
    let rows = list.options(&args.options(1, "options")).rows::<Value>().await?;
    rows.iter().for_each(fits::<ReleaseAsset>);
    Ok(rows.into())
}

async fn one(balena: &Balena, args: &Args) -> Outcome {
    let get = balena.release().asset().get(asset(args)?).options(&args.options(1, "options"));
    let row = get.rows::<Value>().await?;
    fits::<ReleaseAsset>(&row);
    Ok(row)
}

fn no_such(value: Option<&Value>) -> Failure {
    Failure::NoSuchType(format!("{value:?}"))
}

/// An id, a commit, or a version of an application.
fn release(value: Option<&Value>) -> Result<ReleaseKey, Failure> {
    match value {
        Some(Value::String(commit)) => Ok(commit.as_str().into()),
        Some(Value::Number(id)) => Ok(id.as_i64().ok_or_else(|| no_such(value))?.into()),
        Some(Value::Object(pair)) => {
            let version = pair.get("rawVersion").or_else(|| pair.get("raw_version"));
            let version = version.and_then(Value::as_str).ok_or_else(|| no_such(value))?;
            let application: ApplicationKey = match pair.get("application") {
                Some(Value::String(name)) => name.as_str().into(),
                Some(Value::Number(id)) => id.as_i64().ok_or_else(|| no_such(value))?.into(),
                _ => return Err(no_such(value)),
            };
            Ok((application, version).into())
        }
        _ => Err(no_such(value)),
    }
}

fn asset(args: &Args) -> Result<ReleaseAssetKey, Failure> {
    match args.get(0, "") {
        Some(Value::Object(pair)) => Ok((release(pair.get("release"))?, name(pair)?).into()),
        Some(Value::Number(id)) if id.is_i64() => Ok(id.as_i64().unwrap_or(0).into()),
        other => Err(no_such(other)),
    }
}

fn name(pair: &Map<String, Value>) -> Result<String, Failure> {
    let name = pair.get("asset_key");
    name.and_then(Value::as_str).map(str::to_owned).ok_or_else(|| no_such(name))
}

/// A file of a case: bytes, or a file on the disk that goes with this.
struct Given {
    file: UploadFile,
    place: Option<PathBuf>,
}

impl Drop for Given {
    fn drop(&mut self) {
        self.place.iter().for_each(|place| drop(fs::remove_dir_all(place)));
    }
}

fn given(value: Option<&Value>) -> Result<Given, Failure> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let asset = value.ok_or_else(|| no_such(value))?;
    if let Some(path) = asset.as_str() {
        return Ok(Given { file: UploadFile::path(path), place: None });
    }
    if let Some(file) = asset.get("$file") {
        // A `File` of JS that was given no type has none, whatever its name.
        let kind =
            file["type"].as_str().filter(|kind| !kind.is_empty()).unwrap_or("application/octet-stream");
        let file = UploadFile::bytes(text(&file["name"]), unhex(&text(&file["hex"]))).content_type(kind);
        return Ok(Given { file, place: None });
    }
    let path = asset.get("$path").ok_or_else(|| no_such(value))?;
    let content = match path.get("repeat") {
        Some(repeat) => {
            let length = repeat["length"].as_u64().and_then(|length| usize::try_from(length).ok());
            unhex(&text(&repeat["hex"])).repeat(length.expect("a length"))
        }
        None => unhex(&text(&path["hex"])),
    };
    let unique =
        format!("balena-agent-wire-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let place = std::env::temp_dir().join(unique);
    let file = place.join(text(&path["name"]));
    fs::create_dir_all(&place).and_then(|()| write(&file, &content)).expect("a place for a file");
    Ok(Given { file: UploadFile::path(file), place: Some(place) })
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    std::io::Write::write_all(&mut fs::File::create(path)?, content)
}

/// With what was told of the progress, where that was asked for.
async fn upload(balena: &Balena, args: &Args) -> Outcome {
    let params = args.get(0, "").and_then(Value::as_object).cloned().unwrap_or_default();
    let given = given(params.get("asset"))?;
    let (release, name) = (release(params.get("release"))?, name(&params)?);
    let options = args.options(1, "options");
    let mut upload = balena.release().asset().upload(release, name, given.file.clone());
    if options["overwrite"] == true {
        upload = upload.overwrite();
    }
    if let Some(size) = options["chunkSize"].as_u64() {
        upload = upload.chunk_size(size);
    }
    let Some(callback) = options["onUploadProgress"]["$callback"].as_str() else {
        return Ok(upload.rows::<Value>().await.inspect(fits::<ReleaseAsset>)?);
    };
    let events = Arc::new(Mutex::new(Vec::new()));
    let (told, callback) = (events.clone(), callback.to_owned());
    let upload = upload.progress(move |so_far| {
        let value = json!({ "total": so_far.total, "uploaded": so_far.done });
        told.lock().expect("it is free").push(json!({ "callback": callback, "value": value }));
    });
    let row = upload.rows::<Value>().await.inspect(fits::<ReleaseAsset>)?;
    Ok(json!({ "row": row, "events": *events.lock().expect("it is free") }))
}

async fn image(balena: &Balena, args: &Args) -> Outcome {
    let options = args.options(0, "options");
    let device_type: DeviceTypeKey = match &options["deviceType"] {
        Value::String(slug) => slug.as_str().into(),
        other => return Err(no_such(Some(other))),
    };
    let mut download = balena.os().download(device_type).options(&options);
    match &options["version"] {
        Value::String(version) => download = download.version(version.as_str()),
        Value::Null => {}
        other => return Err(no_such(Some(other))),
    }
    streamed(download.await?).await
}

async fn build(balena: &Balena, args: &Args) -> Outcome {
    let options = args.options(1, "options");
    let url = options["url"].as_str().ok_or_else(|| no_such(options.get("url")))?;
    let mut build = balena.release().create_from_url(args.application(0, "application")?, url);
    match options.get("shouldFlatten") {
        Some(Value::Bool(flatten)) => build = build.flatten_tarball(*flatten),
        Some(Value::Null) => build = build.flatten_tarball(None),
        Some(other) => return Err(no_such(Some(other))),
        None => {}
    }
    to_json(build.await)
}

async fn organization(balena: &Balena, args: &Args) -> Outcome {
    let columns = args.options(0, "options");
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| no_such(Some(value)));
    let mut create = balena.organization().create(text(&columns["name"])?);
    for (column, value) in columns.as_object().into_iter().flatten() {
        create = match column.as_str() {
            "name" => create,
            "handle" => create.handle(text(value)?),
            "website" => create.website(text(value)?),
            "industry" => create.industry(text(value)?),
            "company_name" => create.company_name(text(value)?),
            "logo_image" => create.logo_image(given(Some(value))?.file.clone()),
            _ => return Err(no_such(Some(value))),
        };
    }
    Ok(create.rows::<Value>().await?)
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, _: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    if let Some(row) = case.quirks.iter().find(|row| *row != "J02") {
        return Err(format!("no expectation for row {row}"));
    }
    expected.exchange.iter_mut().for_each(same_key);
    for exchange in &mut expected.exchange {
        by_beginning(exchange);
    }
    match case.function.as_str() {
        "models.release.asset.upload" => uploaded(case, expected),
        "models.os.download" => downloaded(case, expected),
        "models.release.createFromUrl" => built(expected),
        function if function.starts_with("models.release.asset.") => of_asset(case, expected),
        _ => {}
    }
    Ok(())
}

/// The parts of a key may stand in any order.
fn same_key(exchange: &mut Exchange) {
    let path = &mut exchange.request.path;
    let Some((before, key)) = path.split_once("(release=") else { return };
    let Some((release, name)) = key.strip_suffix(')').and_then(|key| key.split_once(",asset_key=")) else {
        return;
    };
    *path = format!("{before}(asset_key={name},release={release})");
}

/// J05: a commit may be the beginning of one.
fn by_beginning(exchange: &mut Exchange) {
    let filter = exchange.request.canonical_query.as_mut().and_then(|query| query.get_mut("$filter"));
    if let Some(filter) = filter
        && let Some(commit) = filter.as_str().and_then(|filter| filter.strip_prefix("commit eq "))
    {
        *filter = json!(format!("startswith(commit,{commit})"));
    }
}

/// None is no key; a row without a file is "not there" (J16).
fn of_asset(case: &Case, expected: &mut Expected) {
    if case.args.first().is_none_or(Value::is_null) {
        expected.exchange.clear();
        expected.outcome = Expect::NoSuchType;
    } else if outcomes::message(case).contains("does not contain any uploaded file") {
        expected.outcome = error(ErrorKind::NotFound);
    }
}

/// J02: a refusal is what it says. What is no version is refused before anything is asked.
fn downloaded(case: &Case, expected: &mut Expected) {
    if case.has("J02")
        && let Some(last) = expected.exchange.last()
    {
        expected.outcome = outcomes::refused(last);
    }
    if matches!(&expected.outcome, Expect::Error { kind: ErrorKind::InvalidArgument, .. }) {
        otherwise_written(case, expected);
    }
    // §3, `os.download`: by its slug, also where it was named otherwise.
    let slug = expected.exchange.first().and_then(|first| first.response.json.as_ref());
    let slug = slug.and_then(|answer| answer["d"][0]["slug"].as_str()).map(str::to_owned);
    for exchange in &mut expected.exchange {
        let named = exchange.request.query.iter_mut().find(|(name, _)| name == "deviceType");
        if let (Some(slug), Some((_, value))) = (&slug, named) {
            value.clone_from(slug);
        }
    }
}

/// Row Q80: `balenaOS 2.12.7+rev1` is a version too; what is none is refused before anything is asked.
fn otherwise_written(case: &Case, expected: &mut Expected) {
    let version = case.args.first().and_then(|options| options["version"].as_str()).unwrap_or_default();
    let bare = version.trim_start_matches("balenaOS ").trim_start_matches("Resin OS ");
    let Some(mut download) = expected.exchange.first().cloned().filter(|_| bare != version) else {
        return expected.exchange.clear();
    };
    download.request.path = "/download".into();
    download.request.canonical_query = None;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    download.request.query = vec![pair("deviceType", ""), pair("version", bare)];
    (download.response.status, download.response.json, download.response.text) =
        (404, None, Some(String::new()));
    expected.outcome = outcomes::refused(&download);
    expected.exchange.push(download);
}

/// Row J15: the parts of a slug are values, whatever is in them.
fn built(expected: &mut Expected) {
    let slug = expected.exchange.first().and_then(|first| first.response.json.as_ref());
    let slug = slug.and_then(|answer| answer["d"][0]["slug"].as_str()).map(str::to_owned);
    let Some((owner, app)) = slug.as_deref().and_then(|slug| slug.split_once('/')) else { return };
    for exchange in expected.exchange.iter_mut().filter(|exchange| exchange.request.host == "builder") {
        exchange.request.query.retain(|(name, _)| name == "headless");
        exchange.request.query.push(("owner".into(), owner.to_owned()));
        exchange.request.query.push(("app".into(), app.to_owned()));
    }
}

/// J03: a part that is refused ends it; the release may have any form. What was told of the progress belongs to
/// the outcome.
fn uploaded(case: &Case, expected: &mut Expected) {
    let params = case.args.first().cloned().unwrap_or_default();
    let is_part = |exchange: &Exchange| exchange.request.host == "uploads";
    let refused = |exchange: &Exchange| is_part(exchange) && exchange.response.status >= 400;
    let broke = |exchange: &Exchange| is_part(exchange) && exchange.response.abort;
    if let Some(at) = expected.exchange.iter().position(broke) {
        expected.exchange.truncate(at + 1);
        expected.outcome = error(outcomes::broken(expected.exchange.last()));
    } else if let Some(at) = expected.exchange.iter().position(refused) {
        expected.exchange.truncate(at + 1);
        expected.outcome = outcomes::refused(&expected.exchange[at]);
    } else if let Some(last) = expected.exchange.last()
        && is_part(last)
        && !last.response.headers.contains_key("etag")
    {
        expected.outcome = error(ErrorKind::Decode);
    }
    if !params["release"].is_number() {
        found_first(&params["release"], expected);
    }
    if let (Expect::Value(row), Some(events)) = (&mut expected.outcome, &case.events) {
        *row = json!({ "row": row.take(), "events": events });
    }
}

/// The release is looked up, and everything else goes by its id.
fn found_first(release: &Value, expected: &mut Expected) {
    let Some(first) = expected.exchange.first().cloned() else { return };
    let id = 465_307;
    for exchange in &mut expected.exchange {
        let path = &mut exchange.request.path;
        if let Some((before, _)) = path.split_once(",release=") {
            *path = format!("{before},release={id})");
        }
        if let Some(body) = exchange.request.json.as_mut().and_then(Value::as_object_mut)
            && body.contains_key("release")
        {
            body.insert("release".into(), json!(id));
        }
        for part in exchange.request.multipart.iter_mut().filter_map(Value::as_array_mut).flatten() {
            if part["name"] == "release" {
                part["text"] = json!(id.to_string());
            }
        }
    }
    let read = |resource: &str, filter: Value, id: i64| {
        let mut read = first.clone();
        read.request.path = format!("/v7/{resource}");
        read.request.canonical_query = Some(json!({ "$select": ["id"], "$filter": filter }));
        read.response.json = Some(json!({ "d": [{ "id": id }] }));
        read
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().replace('\'', "''");
    let reads = if release.is_string() {
        vec![read("release", json!(format!("startswith(commit,'{}')", text(release))), id)]
    } else {
        let (version, application) = (text(&release["rawVersion"]), &release["application"]);
        let of = application.as_i64().unwrap_or(1_681_618);
        let mut fleet = read("application", Value::Null, of);
        if application.is_number() {
            fleet.request.path = format!("/v7/application({of})");
            fleet.request.canonical_query = Some(json!({ "$select": ["id"] }));
        } else {
            let name = text(application).to_lowercase();
            let by_name = json!({ "or": [format!("slug eq '{name}'"), format!("uuid eq '{name}'")] });
            fleet = read("application", by_name, of);
        }
        let conditions = [format!("belongs_to__application eq {of}"), format!("raw_version eq '{version}'")];
        vec![fleet, read("release", json!({ "and": conditions }), id)]
    };
    expected.exchange.splice(0..0, reads);
}
