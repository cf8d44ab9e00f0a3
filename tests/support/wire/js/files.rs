//! The family `files`: release assets, images of the host OS, builds from a URL, logos.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use balena_agent::rows::ReleaseAsset;
use balena_agent::{ApplicationKey, Balena, DeviceTypeKey, ReleaseAssetKey, ReleaseKey, UploadFile};
use serde_json::{Map, Value, json};

use crate::wire::args::{Args, Failure, Outcome, json as to_json, streamed, unit};
use crate::wire::cases::unhex;
use crate::wire::typed::fits;

/// The functions that belong here, whatever file their cases stand in.
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
