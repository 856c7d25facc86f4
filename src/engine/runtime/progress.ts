/** What an installation is doing. `done` and `total` are bytes. */
export interface InstallProgress {
  step: 'download' | 'unpack' | 'compile' | 'verify';
  message: string;
  done?: number;
  total?: number;
}

export type Report = (progress: InstallProgress) => void;
