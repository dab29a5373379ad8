#[tokio::main]
async fn main() -> std::process::ExitCode {
    lastmile::run().await
}
