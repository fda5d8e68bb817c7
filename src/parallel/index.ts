export { piecesOf, type StepWork, Threads } from "./threads.ts";
