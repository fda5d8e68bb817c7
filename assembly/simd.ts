export { run } from "./vm";
