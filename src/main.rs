fn main() -> std::process::ExitCode {
    aptiqd::cli::main()
}
