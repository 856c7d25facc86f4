// Writes media/experiment.schema.json, by which editors complete and check experiment files. `npm run schema` runs it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { experimentJsonSchema } from '../src/config/schema';

const target = join(import.meta.dirname, '..', 'media', 'experiment.schema.json');
writeFileSync(target, `${JSON.stringify(experimentJsonSchema(), undefined, 2)}\n`);
