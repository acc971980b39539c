/** The version of weir-nl: the package's own, without reading a file at every start. */
export const VERSION = "0.1.0";
