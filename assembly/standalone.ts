// For hosts without JavaScript: a module that imports nothing, owns its memory and exports it.
export { bind, reserve, runImage } from "./image";
