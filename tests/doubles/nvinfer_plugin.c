/* The double of the plugins' library. Toy plans that want plugins run once it was told to register them. */
extern void trtsel_nvdouble_register_plugins(void *logger);

__attribute__((visibility("default"))) _Bool initLibNvInferPlugins(void *logger, const char *library_namespace)
{
    (void)library_namespace;
    trtsel_nvdouble_register_plugins(logger);
    return 1;
}
