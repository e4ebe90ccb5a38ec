//! A host inside your own program: one tool, one call, no configuration.
//!
//! `cargo run -p strongroom --example embed -- path/to/tool.wasm tool.function '{"json":"arguments"}'`

use std::process::ExitCode;
use strongroom::Strongroom;
use strongroom::admit::CallRequest;
use strongroom::identify::Credential;
use strongroom::powers::Home;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(function), Some(json)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: embed <tool.wasm> <tool.function> '<json>'");
        return Ok(ExitCode::from(2));
    };
    // The host lives in a folder of its own: ledger, book, stores, compiled code.
    let folder = tempfile::tempdir()?;
    let room = Strongroom::builder(Home::open(folder.path())?).build().await?;

    let home = Home::open(std::path::Path::new(&file).parent().unwrap_or_else(|| ".".as_ref()))?;
    let name = std::path::Path::new(&file).file_name().ok_or("not a file")?;
    let stem = std::path::Path::new(name).with_extension("");
    let tool = room.install(home.dir().read(name)?, &stem.to_string_lossy(), None).await?;
    for function in tool.functions() {
        println!("{} ({:?})", function.name, function.effect);
    }

    // One governed call: identify, admit, authorize, isolate, execute, settle, audit.
    let request = CallRequest {
        function,
        arguments: json,
        idempotency_key: Some("embed-1".parse()?), // functions that write need one
        ..CallRequest::default()
    };
    let receipt = room.call(Credential::None, request).await;
    println!("{} {}", receipt.reason, receipt.value.or(receipt.message).unwrap_or_default());
    println!(
        "{} fuel, {} import records, {} µs",
        receipt.fuel,
        receipt.imports.len(),
        receipt.took.as_micros()
    );
    room.close().await?;
    Ok(ExitCode::from(receipt.reason.exit_code()))
}
